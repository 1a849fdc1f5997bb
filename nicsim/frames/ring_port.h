// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// nicsim's side of the port of one consumer of a receive ring (nicsim/wire/frame_ring.h): offers it
// blocks, takes back those that it returns, wakes it, counts for it.
//
// Threads and processes
//   Used by nicsim's one thread. The consumer writes anything anywhere in the port at any time:
//   nothing of it is read but RingDemand and `returned`, and a returned block counts only if this
//   consumer holds it, which is known here and nowhere else.
//
// Invariants
//   What is offered becomes visible by publish(), after everything that was written before it.
//   A consumer that never lies has given back at most what it holds; one that says more is not
//   listened to, and keeps what it holds until it leaves.
//
// What a crash at any instruction leaves behind
//   Of the consumer: blocks that it holds; held() says which. Of nicsim: a port that changes no
//   more, and a pipe that hangs up.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "nicsim/wire/frame_ring.h"
#include "nicsim/wire/status.h"
#include "platform/file_descriptor.h"
#include "platform/shared_memory.h"

namespace vmmc::nicsim {

// What one consumer has got, and has not.
struct FrameCounts {
  std::uint64_t delivered = 0;
  std::uint64_t delivered_bytes = 0;  // captured
  std::uint64_t dropped = 0;
  std::uint64_t dropped_bytes = 0;
};

class RingPort {
 public:
  // What the header of a port says of its ring.
  struct Shape {
    std::uint32_t blocks;
    std::uint32_t block_bytes;
    std::uint32_t snap_length;
    bool mirrored;
    wire::FrameSourceKind source;
  };
  // What the consumer gets.
  struct Descriptors {
    platform::FileDescriptor memory;
    platform::FileDescriptor pipe;  // the reading end
  };
  struct Made;
  // kOutOfMemory.
  static std::variant<Made, wire::Status> make(const Shape& shape);

  RingPort(RingPort&&) = default;
  RingPort& operator=(RingPort&&) = default;

  // The block is not held; it will be visible after publish().
  void offer(std::uint32_t block);
  std::uint32_t held() const { return held_count_; }
  std::uint64_t offered() const { return offered_; }  // ever
  bool holds(std::uint32_t block) const { return held_[block]; }

  // Calls `returned(block)` for each block that has come back.
  template <typename Returned>
  void collect(Returned returned);

  // Asks the consumer to ring the doorbell of its process when it returns a block. True: it has
  // returned one meanwhile, and need not be waited for.
  bool ask_for_room();

  void count(const FrameCounts& more);
  void count_source_dropped(std::uint64_t total);
  // Makes the offers visible, and the counters. A fence and wake() are to follow.
  void publish();
  // No block is offered after this one that another consumer has not left behind.
  void end(wire::Status status);
  // If the consumer sleeps. A seq_cst fence stands between what it is woken for and this.
  void wake();

  const FrameCounts& counts() const { return counts_; }
  std::uint64_t source_dropped() const { return source_dropped_; }
  std::uint64_t wakeups() const { return wakeups_; }
  // The consumer's view: tests play it.
  wire::RingPort& shared() { return *shared_; }

 private:
  RingPort() = default;
  // How many entries of `returned` are new, as far as the consumer may be believed.
  std::uint64_t news() const;

  platform::SharedMapping mapping_;
  platform::FileDescriptor pipe_;
  wire::RingPort* shared_ = nullptr;
  std::uint64_t offered_ = 0;  // ours alone, never read back
  std::uint64_t taken_ = 0;    // entries of `returned` that have been looked at
  std::vector<bool> held_;
  std::uint32_t held_count_ = 0;
  FrameCounts counts_;
  std::uint64_t source_dropped_ = 0;
  std::uint64_t wakeups_ = 0;
};

struct RingPort::Made {
  RingPort port;
  Descriptors descriptors;
};

template <typename Returned>
void RingPort::collect(Returned returned) {
  for (std::uint64_t left = news(); left > 0; --left) {
    const std::uint32_t block =
        shared_->returned[taken_++ % wire::kMaxRingBlocks].load(std::memory_order_relaxed);
    if (block >= held_.size() || !held_[block]) continue;
    held_[block] = false;
    --held_count_;
    returned(block);
  }
}

}  // namespace vmmc::nicsim
