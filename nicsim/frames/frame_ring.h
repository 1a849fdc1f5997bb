// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One receive ring: its blocks, its consumers, and who gets which frame.
//
// A lane is a sequence of blocks, of which the last one may be open. Mirrored rings and those that
// are spread by block have one lane; spread by flow, each consumer has its own.
//
// Threads and processes
//   Used by nicsim's one thread. Consumers see the blocks and their ports at any time; nothing that
//   they write there is believed, and the blocks are never read.
//
// Invariants
//   A block is free, or held by at least one consumer. A consumer holds a block from its offer until
//   it gives it back or leaves. Every frame that write() takes is counted once for the consumer it
//   was meant for (mirrored: for each), as delivered or as dropped. Frames are numbered by lane,
//   dropped ones, too; the number of a frame is that of its block's first one, and one more for each
//   frame and each frame that was dropped in between.
//   Spread by flow, no consumer holds more than its share of the blocks, but for what it has
//   inherited: one that stands still costs the others nothing, unless the source waits: frames keep
//   their order, so the first one that finds no room in its lane holds up all that follow it. Such
//   a ring must not have more consumers than blocks.
//   What publish() has made visible is owed to those who sleep over it, until wake(): a put-off is
//   the caller's to end. Nobody is forgotten by one: who falls asleep meanwhile looks once more
//   before, and sees it; who slept before is found sleeping by wake(), whose fence stands behind all
//   that it is owed for.
//
// What a crash at any instruction leaves behind
//   See nicsim/wire/frame_ring.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "nicsim/frames/block_memory.h"
#include "nicsim/frames/frame_source.h"
#include "nicsim/frames/ring_port.h"
#include "nicsim/wire/frame_ring.h"

namespace vmmc::nicsim {

class FrameRing {
 public:
  using Clock = std::chrono::steady_clock;

  // All of it is plausible: see is_plausible().
  struct Options {
    wire::FrameSourceKind source = wire::FrameSourceKind::kCaptureFile;
    wire::RingSharing sharing = wire::RingSharing::kExclusive;
    wire::RingSpread spread = wire::RingSpread::kBlocks;
    std::uint32_t blocks = 0;
    std::uint32_t block_bytes = 0;
    std::uint32_t snap_length = 0;
    std::uint64_t block_timeout = 0;  // ns; 0: none
  };
  static bool is_plausible(const Options& options);

  // kOutOfMemory. Blocks may be missing until prepare() has brought them.
  static std::variant<std::unique_ptr<FrameRing>, wire::Status> make(const Options& options);

  // One step of making the memory of more blocks, see block_memory.h; the ring can be used
  // meanwhile. False: there is no memory.
  bool prepare();
  bool prepared() const { return usable_ == blocks_.size(); }

  // A new consumer, who gets frames from now on. kOutOfMemory.
  struct Joined {
    std::uint32_t consumer;
    RingPort::Descriptors descriptors;
  };
  std::variant<Joined, wire::Status> join();
  // What it holds goes to another exclusive consumer, or is free.
  void leave(std::uint32_t consumer);
  std::size_t consumers() const { return consumers_.size(); }

  // Takes frames, and says how many: all of them, unless the source `waits` for room and there is
  // none. Visible after publish(). There is a consumer.
  std::size_t write(std::span<const Frame> frames, bool waits, Clock::time_point now);
  // Makes visible what is new, and owes a wake() for it.
  void publish();
  // Wakes who sleeps, if that is owed.
  void wake();
  // The same for a caller who brings more at once and then calls again: puts it off, as network interfaces
  // put off their interrupts, until kWakeFrames frames are owed, kWakeDelay has passed since the first of
  // them, or blocks are short: whoever sleeps is to give some back. They are when a frame finds no room.
  // So that a call more or less is nothing beside the frames it is for; long ones come in about that time.
  static constexpr std::uint64_t kWakeFrames = 4096;
  static constexpr std::chrono::microseconds kWakeDelay{500};
  void wake_if_due(Clock::time_point now);
  // No more frames are written.
  void end(wire::Status status);

  // When an open block is to be closed; max(): none is.
  Clock::time_point next_timeout() const;
  void close_overdue(Clock::time_point now);

  // Asks the consumers to ring when they give blocks back. True: one has done so meanwhile.
  bool ask_for_room();
  // What the source has lost so far.
  void set_source_dropped(std::uint64_t total);

  const Options& options() const { return options_; }
  const BlockMemory& memory() const { return memory_; }
  bool ended() const { return ended_; }
  wire::Status status() const { return status_; }  // of the end
  RingPort& port(std::uint32_t consumer);
  const RingPort& port(std::uint32_t consumer) const;
  std::size_t free_blocks() const { return free_.size(); }

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  struct Consumer;
  struct Block {
    std::uint64_t number = 0;
    std::uint64_t first_frame = 0;
    std::uint64_t filled = 0;  // as it stands in the header, kBlockClosed included
    std::uint32_t holders = 0;
  };
  struct Lane {
    std::byte* at = nullptr;   // where the next frame goes
    std::byte* end = nullptr;  // of the open block
    std::uint32_t block = kNone;
    Consumer* owner = nullptr;  // whose frames these are; nullptr: everybody's, or nobody's yet
    std::uint64_t next_frame = 0;
    std::uint32_t dropped = 0;  // since the last frame; saturates
    bool full = false;          // no block was found for it in this write()
    bool changed = false;       // since publish()
    Clock::time_point opened;
    FrameCounts counts;  // since they were last given to the owner
  };
  struct Consumer {
    Consumer(std::uint32_t number, RingPort its_port) : id(number), port(std::move(its_port)) {}
    std::uint32_t id;
    RingPort port;
    Lane lane;  // spread by flow
    std::uint64_t source_dropped_before = 0;
  };

  FrameRing(const Options& options, BlockMemory memory);

  bool mirrored() const { return options_.sharing == wire::RingSharing::kMirrored; }
  bool by_flow() const { return options_.spread == wire::RingSpread::kFlows; }
  wire::BlockHeader& header(std::uint32_t block) const;
  void use_prepared();
  template <typename Act>
  void each_lane(Act act);
  template <bool kByFlow>
  std::size_t write_to_lanes(std::span<const Frame> frames, bool waits);
  Lane& lane_of(const Frame& frame);
  bool put(Lane& lane, const Frame& frame);
  void drop(Lane& lane, const Frame& frame);
  bool open_block(Lane& lane);
  void close_block(Lane& lane);
  void close_block_of(const Consumer& owner);
  void describe(std::uint32_t block, std::uint32_t flags);
  void give_counts(Lane& lane);
  Consumer* choose(const Lane& lane);
  Consumer& fewest();
  std::size_t share() const;
  void offer(std::uint32_t block, Consumer* owner);
  void collect();
  void let_go(std::uint32_t block);
  bool is_short_of_blocks() const;
  void inherit(const RingPort& left);

  const Options options_;
  BlockMemory memory_;
  std::vector<Block> blocks_;
  std::uint32_t usable_ = 0;         // blocks whose memory has been prepared
  std::vector<std::uint32_t> free_;  // the last one is the warmest
  std::vector<std::unique_ptr<Consumer>> consumers_;
  Lane lane_;  // not by flow
  std::size_t last_chosen_ = 0;
  std::uint32_t next_consumer_ = 0;
  std::uint64_t next_block_ = 0;
  std::uint64_t source_dropped_ = 0;
  Clock::time_point now_;
  bool owes_wake_ = false;
  std::uint64_t owed_frames_ = 0;
  Clock::time_point owed_since_;
  bool ended_ = false;
  wire::Status status_ = wire::Status::kOk;
};

}  // namespace vmmc::nicsim
