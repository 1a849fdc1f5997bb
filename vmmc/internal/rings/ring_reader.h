// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The consumer's side of a receive ring: frames out of a port and its blocks (nicsim/wire/
// frame_ring.h). Knows memory and a pipe, and no nicsim.
//
// Threads and processes
//   One thread at a time. nicsim, or whoever else can write into the memory, does what it likes
//   meanwhile: each value is read once and checked before it is used, so nothing outside of the
//   mappings is ever read here. What makes no sense ends the ring with VMMC_ERR_MALFORMED. What a
//   program reads of a frame itself is not protected from another consumer that may write there.
//
// Invariants
//   [cursor_, known_) is what has become visible and has not been given to the program; both lie in
//   the current block, between whole frames. A block is given back once: when all of its frames
//   have been given out, it is closed, and none of its parts that were taken is still out.
//   Nobody sleeps without having armed and looked once more. Before it is armed, the pipe is emptied if there
//   may be a byte: after an arm() that somebody else polls for, a sleep that it ended, or one whose flag
//   nicsim has taken. One that comes late, or from nowhere, ends the next sleep early, once.
//
// What a crash at any instruction leaves behind
//   Blocks that are not given back; nicsim sees the hang-up and takes them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nicsim/wire/frame_ring.h"
#include "platform/adaptive_wait.h"
#include "vmmc/types.h"

namespace vmmc::internal {

// Whom a reader has to do with besides the memory.
class RingPeer {
 public:
  virtual ~RingPeer() = default;
  // Whether nicsim has ended.
  virtual bool gone() const = 0;
  // Wakes nicsim, which sleeps for want of blocks.
  virtual void ring_doorbell() = 0;
};

struct RingMemory {
  wire::RingPort* port;
  const std::byte* blocks;  // count * block_bytes
  std::uint32_t count;
  std::uint32_t block_bytes;
};

class RingReader {
 public:
  struct Taken {
    const std::byte* first;
    const std::byte* end;
    std::uint32_t frames;
    std::uint32_t index;
    bool again;
  };

  // `pipe`: the reading end that came with the port, which does not block; it stays open.
  RingReader(const RingMemory& memory, int pipe, RingPeer& peer);

  // As vmmc_ring_next.
  int next(const wire::FrameHeader** frame, std::uint64_t timeout) {
    if (cursor_ == known_) [[unlikely]] {
      if (const int status = wait(Wanted::kFrames, timeout); status != VMMC_OK) return status;
    }
    const std::uint32_t bytes = bytes_of_frame(cursor_, known_);
    if (bytes == 0) [[unlikely]]
      return malformed("a frame's lengths");
    *frame = reinterpret_cast<const wire::FrameHeader*>(cursor_);
    cursor_ += bytes;
    return VMMC_OK;
  }

  // As vmmc_ring_again.
  bool again() const { return again_; }

  // As vmmc_ring_take_block and vmmc_ring_return_block.
  int take(Taken* taken, std::uint64_t timeout);
  int give_back_part(std::uint32_t index);

  // As vmmc_ring_arm: VMMC_OK or VMMC_PENDING.
  int arm();

  // From now on every call returns `status` and no memory is touched.
  void stop(int status);
  int stopped() const { return stopped_; }
  // What makes no sense, after VMMC_ERR_MALFORMED.
  const char* nonsense() const { return nonsense_; }

  std::uint64_t sleeps() const { return sleeps_; }

  // From this frame, which lies before `end`, to the next one; 0: the lengths make no sense.
  static std::uint32_t bytes_of_frame(const std::byte* frame, const std::byte* end) {
    const auto* header = reinterpret_cast<const wire::FrameHeader*>(frame);
    const std::uint64_t bytes = __atomic_load_n(&header->next, __ATOMIC_RELAXED);
    const std::uint64_t captured = __atomic_load_n(&header->captured, __ATOMIC_RELAXED);
    const bool sound = bytes % wire::kFrameAlignment == 0 &&
                       bytes <= static_cast<std::uint64_t>(end - frame) &&
                       captured + sizeof *header <= bytes;
    return sound ? static_cast<std::uint32_t>(bytes) : 0;
  }

 private:
  // Of a block: offered to us and not given back; all frames given out, and closed; parts that the
  // program has taken.
  struct Block {
    bool held = false;
    bool finished = false;
    std::uint32_t parts = 0;
  };

  enum class Wanted { kFrames, kClosedBlock };

  int wait(Wanted wanted, std::uint64_t timeout);
  int look(Wanted wanted);
  bool find(Wanted wanted);
  bool find_frames();
  bool read_filled();
  bool enter_next_block();
  void leave_block();
  void give_back(std::uint32_t index);
  int end_of_source();
  void sleep(Wanted wanted, std::uint64_t timeout);
  void drain();
  bool gone() const { return hung_up_ || peer_.gone(); }
  int malformed(const char* what);

  // The fast path's.
  const std::byte* cursor_ = nullptr;
  const std::byte* known_ = nullptr;

  const std::byte* current_ = nullptr;  // the block that cursor_ is in; nullptr: in none
  std::uint32_t index_ = 0;             // of it
  bool closed_ = false;                 // it gets nothing behind known_
  bool again_ = false;                  // of the last block: another consumer was given it before
  bool hung_up_ = false;
  bool rung_ = false;  // there may be a byte in the pipe
  int stopped_ = VMMC_OK;
  const RingMemory memory_;
  const int pipe_;
  RingPeer& peer_;
  std::uint64_t entered_ = 0;   // offers that we have followed
  std::uint64_t returned_ = 0;  // blocks that we have given back
  std::uint64_t sleeps_ = 0;
  const char* nonsense_ = "";
  std::vector<Block> blocks_;
  // Whether to look for a while before sleeping. Of an interface and of a file many frames come at a time, and nicsim
  // wakes a reader once for them: to look meanwhile would be a call of the kernel for a few frames each.
  const bool looks_;
  platform::AdaptiveWait adaptive_;
};

}  // namespace vmmc::internal
