// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Blocks and consumers. How frames are written: frame_ring_write.cc.

#include "nicsim/frames/frame_ring.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace vmmc::nicsim {
namespace {

// A longer time is as good as none.
constexpr std::uint64_t kNoTimeout = std::uint64_t{1} << 62;

// Bytes that are there when a ring is opened, but one block at least: about a millisecond.
constexpr std::size_t kAtOnce = std::size_t{2} << 20;

}  // namespace

bool FrameRing::is_plausible(const Options& options) {
  const bool sizes = options.blocks >= wire::kMinRingBlocks &&
                     options.blocks <= wire::kMaxRingBlocks && options.block_bytes > 0 &&
                     options.block_bytes <= wire::kMaxBlockBytes &&
                     options.block_bytes % wire::kPageSize == 0 &&
                     std::uint64_t{options.blocks} * options.block_bytes <= wire::kMaxRingBytes;
  const bool snap = options.snap_length > 0 && options.snap_length <= wire::kMaxFrameBytes &&
                    wire::kBlockHeaderBytes + sizeof(wire::FrameHeader) +
                            std::uint64_t{options.snap_length} + wire::kFrameAlignment - 1 <=
                        options.block_bytes;
  return sizes && snap &&
         (options.sharing == wire::RingSharing::kExclusive ||
          options.spread == wire::RingSpread::kBlocks);
}

std::variant<std::unique_ptr<FrameRing>, wire::Status> FrameRing::make(const Options& options) {
  auto memory = BlockMemory::make(std::size_t{options.blocks} * options.block_bytes,
                                  options.sharing == wire::RingSharing::kMirrored,
                                  std::max<std::size_t>(kAtOnce, options.block_bytes));
  if (const auto* refused = std::get_if<wire::Status>(&memory)) return *refused;
  return std::unique_ptr<FrameRing>(
      new FrameRing(options, std::move(std::get<BlockMemory>(memory))));
}

FrameRing::FrameRing(const Options& options, BlockMemory memory)
    : options_(options), memory_(std::move(memory)), blocks_(options.blocks) {
  free_.reserve(options.blocks);
  use_prepared();
}

bool FrameRing::prepare() {
  if (!memory_.prepare()) return false;
  use_prepared();
  return true;
}

void FrameRing::use_prepared() {
  const auto whole = static_cast<std::uint32_t>(memory_.prepared() / options_.block_bytes);
  for (; usable_ < whole; ++usable_) free_.insert(free_.begin(), usable_);
}

wire::BlockHeader& FrameRing::header(std::uint32_t block) const {
  return *reinterpret_cast<wire::BlockHeader*>(memory_.data() +
                                               std::size_t{block} * options_.block_bytes);
}

template <typename Act>
void FrameRing::each_lane(Act act) {
  if (!by_flow()) return act(lane_);
  for (const auto& consumer : consumers_) act(consumer->lane);
}

RingPort& FrameRing::port(std::uint32_t consumer) {
  return const_cast<RingPort&>(std::as_const(*this).port(consumer));
}

const RingPort& FrameRing::port(std::uint32_t consumer) const {
  return (*std::find_if(consumers_.begin(), consumers_.end(),
                        [&](const auto& one) { return one->id == consumer; }))
      ->port;
}

// ----------------------------------------------------------------------------------- consumers

std::variant<FrameRing::Joined, wire::Status> FrameRing::join() {
  auto made = RingPort::make(
      {options_.blocks, options_.block_bytes, options_.snap_length, mirrored(), options_.source});
  if (const auto* refused = std::get_if<wire::Status>(&made)) return *refused;
  auto& [port, descriptors] = std::get<RingPort::Made>(made);
  auto consumer = std::make_unique<Consumer>(next_consumer_++, std::move(port));
  consumer->source_dropped_before = source_dropped_;
  consumer->lane.owner = consumer.get();
  if (ended_) consumer->port.end(status_);
  // Its blocks begin with frames that it gets, too.
  if (mirrored()) {
    close_block(lane_);
    publish();
    wake();
  }
  consumers_.push_back(std::move(consumer));
  return Joined{consumers_.back()->id, std::move(descriptors)};
}

void FrameRing::leave(std::uint32_t consumer) {
  const auto found = std::find_if(consumers_.begin(), consumers_.end(),
                                  [&](const auto& one) { return one->id == consumer; });
  publish();  // so that its counts are complete
  each_lane([&](Lane& lane) {
    if (lane.owner != found->get()) return;
    close_block(lane);
    lane.owner = nullptr;
  });
  collect();
  const auto leaver = std::move(*found);
  consumers_.erase(found);
  inherit(leaver->port);
  publish();
  wake();
}

// What a consumer that has left held.
void FrameRing::inherit(const RingPort& left) {
  std::vector<std::uint32_t> held;
  for (std::uint32_t block = 0; block < blocks_.size(); ++block) {
    if (left.holds(block)) held.push_back(block);
  }
  std::sort(held.begin(), held.end(), [this](std::uint32_t one, std::uint32_t other) {
    return blocks_[one].number < blocks_[other].number;
  });
  for (const std::uint32_t block : held) {
    if (mirrored() || consumers_.empty()) {
      let_go(block);
      continue;
    }
    blocks_[block].holders = 0;
    describe(block, wire::kBlockOfferedBefore);
    Consumer& heir = fewest();
    close_block_of(heir);
    offer(block, &heir);
  }
}

// Else what it inherits stands behind a block that may never be filled: by flow, a source that waits for
// room in another lane brings no more frames for this one.
void FrameRing::close_block_of(const Consumer& owner) {
  each_lane([&](Lane& lane) {
    if (lane.owner == &owner && lane.block != kNone) close_block(lane);
  });
}

// Of several that hold the fewest blocks the next one after the last. There is a consumer.
FrameRing::Consumer& FrameRing::fewest() {
  const std::size_t count = consumers_.size();
  std::size_t best = (last_chosen_ + 1) % count;
  for (std::size_t i = 2; i <= count; ++i) {
    const std::size_t other = (last_chosen_ + i) % count;
    if (consumers_[other]->port.held() < consumers_[best]->port.held()) best = other;
  }
  last_chosen_ = best;
  return *consumers_[best];
}

// Who gets the next block of the lane; nullptr: all.
FrameRing::Consumer* FrameRing::choose(const Lane& lane) {
  if (mirrored()) return nullptr;
  return by_flow() ? lane.owner : &fewest();
}

// -------------------------------------------------------------------------------------- blocks

// Takes back what has been returned.
void FrameRing::collect() {
  for (const auto& consumer : consumers_) {
    consumer->port.collect([this](std::uint32_t block) { let_go(block); });
  }
}

// One of its holders does so. It may be an open block, though no honest consumer returns one.
void FrameRing::let_go(std::uint32_t block) {
  if (--blocks_[block].holders > 0) return;
  each_lane([&](Lane& lane) {
    if (lane.block == block) close_block(lane);
  });
  free_.push_back(block);
}

void FrameRing::offer(std::uint32_t block, Consumer* owner) {
  if (owner != nullptr) {
    ++blocks_[block].holders;
    return owner->port.offer(block);
  }
  for (const auto& consumer : consumers_) {
    ++blocks_[block].holders;
    consumer->port.offer(block);
  }
}

// Writes the block's header; consumers may have written anything there.
void FrameRing::describe(std::uint32_t block, std::uint32_t flags) {
  const Block& known = blocks_[block];
  wire::BlockHeader& there = header(block);
  there.number = known.number;
  there.first_frame = known.first_frame;
  there.flags = flags;
  there.filled.store(known.filled, std::memory_order_release);
}

// Blocks that one consumer may hold, by flow.
std::size_t FrameRing::share() const {
  return std::max<std::size_t>(1, options_.blocks / consumers_.size());
}

// False: there is none for this lane now.
bool FrameRing::open_block(Lane& lane) {
  if (lane.full) return false;
  collect();
  Consumer* const owner = choose(lane);
  if (owner != lane.owner) {
    give_counts(lane);
    lane.owner = owner;
  }
  if (free_.empty() || (by_flow() && owner->port.held() >= share())) {
    lane.full = true;
    return false;
  }
  const std::uint32_t block = free_.back();
  free_.pop_back();
  blocks_[block] = {next_block_++, lane.next_frame, wire::kBlockHeaderBytes, 0};
  describe(block, 0);
  offer(block, owner);
  std::byte* const first = reinterpret_cast<std::byte*>(&header(block));
  lane.block = block;
  lane.at = first + wire::kBlockHeaderBytes;
  lane.end = first + options_.block_bytes;
  lane.opened = now_;
  return true;
}

void FrameRing::close_block(Lane& lane) {
  if (lane.block != kNone) {
    wire::BlockHeader& there = header(lane.block);
    const auto filled = static_cast<std::uint64_t>(lane.at - reinterpret_cast<std::byte*>(&there));
    blocks_[lane.block].filled = filled | wire::kBlockClosed;
    there.filled.store(filled | wire::kBlockClosed, std::memory_order_release);
  }
  lane.block = kNone;
  lane.at = lane.end = nullptr;
  lane.changed = true;
}

// Of mirrored frames to everybody.
void FrameRing::give_counts(Lane& lane) {
  const FrameCounts counts = std::exchange(lane.counts, {});
  owed_frames_ += counts.delivered + counts.dropped;
  if (lane.owner != nullptr) return lane.owner->port.count(counts);
  if (!mirrored()) return;  // there has been nobody yet, and so no frame
  for (const auto& consumer : consumers_) consumer->port.count(counts);
}

// ---------------------------------------------------------------------------------- visibility

void FrameRing::publish() {
  each_lane([this](Lane& lane) {
    if (!std::exchange(lane.changed, false)) return;
    give_counts(lane);
    if (lane.block == kNone) return;
    wire::BlockHeader& there = header(lane.block);
    const auto filled = static_cast<std::uint64_t>(lane.at - reinterpret_cast<std::byte*>(&there));
    blocks_[lane.block].filled = filled;
    there.filled.store(filled, std::memory_order_release);
  });
  for (const auto& consumer : consumers_) consumer->port.publish();
  if (!std::exchange(owes_wake_, true)) owed_since_ = now_;
}

void FrameRing::wake() {
  if (!std::exchange(owes_wake_, false)) return;
  owed_frames_ = 0;
  // Pairs with the fence of a consumer that says it sleeps and then looks once more.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (const auto& consumer : consumers_) consumer->port.wake();
}

void FrameRing::wake_if_due(Clock::time_point now) {
  if (owed_frames_ >= kWakeFrames || now - owed_since_ >= kWakeDelay || is_short_of_blocks()) {
    wake();
  }
}

// Less than half is left of what may be filled while somebody sleeps.
bool FrameRing::is_short_of_blocks() const {
  if (2 * free_.size() < blocks_.size()) return true;
  if (!by_flow()) return false;
  return std::any_of(consumers_.begin(), consumers_.end(),
                     [this](const auto& consumer) { return 2 * consumer->port.held() > share(); });
}

void FrameRing::end(wire::Status status) {
  if (std::exchange(ended_, true)) return;
  status_ = status;
  each_lane([this](Lane& lane) { close_block(lane); });
  publish();
  for (const auto& consumer : consumers_) consumer->port.end(status);
  wake();
}

FrameRing::Clock::time_point FrameRing::next_timeout() const {
  auto next = Clock::time_point::max();
  if (options_.block_timeout == 0 || options_.block_timeout >= kNoTimeout) return next;
  const auto timeout = std::chrono::nanoseconds(static_cast<std::int64_t>(options_.block_timeout));
  const auto look = [&](const Lane& lane) {
    if (lane.block != kNone) next = std::min(next, lane.opened + timeout);
  };
  look(lane_);
  for (const auto& consumer : consumers_) look(consumer->lane);
  return next;
}

void FrameRing::close_overdue(Clock::time_point now) {
  if (next_timeout() > now) return;
  const auto timeout = std::chrono::nanoseconds(static_cast<std::int64_t>(options_.block_timeout));
  each_lane([&](Lane& lane) {
    if (lane.block != kNone && lane.opened + timeout <= now) close_block(lane);
  });
  publish();
}

bool FrameRing::ask_for_room() {
  bool any = false;
  for (const auto& consumer : consumers_) any |= consumer->port.ask_for_room();
  return any;
}

void FrameRing::set_source_dropped(std::uint64_t total) {
  source_dropped_ = total;
  for (const auto& consumer : consumers_) {
    consumer->port.count_source_dropped(total - consumer->source_dropped_before);
  }
}

}  // namespace vmmc::nicsim
