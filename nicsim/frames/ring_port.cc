// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/ring_port.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <utility>

#include "platform/system_calls.h"

namespace vmmc::nicsim {

std::variant<RingPort::Made, wire::Status> RingPort::make(const Shape& shape) {
  const platform::SystemCalls& calls = platform::system_calls();
  auto memory = platform::create_shared_memory("vmmc-ring-port", wire::kRingPortBytes);
  if (!memory.ok()) return wire::Status::kOutOfMemory;
  // Who has it could seal it against being mapped.
  if (calls.add_seals(memory.value().get(), F_SEAL_SEAL) != 0) return wire::Status::kOutOfMemory;
  auto mapping = platform::SharedMapping::map(memory.value().get(), wire::kRingPortBytes);
  if (!mapping.ok()) return wire::Status::kOutOfMemory;
  int ends[2] = {-1, -1};
  if (calls.pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return wire::Status::kOutOfMemory;
  platform::FileDescriptor reading(ends[0]);
  RingPort port;
  port.pipe_ = platform::FileDescriptor(ends[1]);
  port.mapping_ = std::move(mapping.value());
  port.shared_ = reinterpret_cast<wire::RingPort*>(port.mapping_.data());
  port.held_.resize(shape.blocks);
  wire::RingPortHeader& header = port.shared_->header;
  header.magic = wire::kMagic;
  header.version = wire::kVersion;
  header.blocks = shape.blocks;
  header.block_bytes = shape.block_bytes;
  header.snap_length = shape.snap_length;
  header.mirrored = shape.mirrored ? 1 : 0;
  header.source = static_cast<std::uint32_t>(shape.source);
  return Made{std::move(port), {std::move(memory.value()), std::move(reading)}};
}

void RingPort::offer(std::uint32_t block) {
  held_[block] = true;
  ++held_count_;
  shared_->offered[offered_++ % wire::kMaxRingBlocks] = block;
}

std::uint64_t RingPort::news() const {
  const std::uint64_t returned = shared_->demand.returned.load(std::memory_order_acquire);
  const std::uint64_t more = returned - taken_;
  return more <= held_count_ ? more : 0;
}

bool RingPort::ask_for_room() {
  std::atomic<std::uint32_t>& sleeps = shared_->demand.nic_sleeps;
  sleeps.store(1, std::memory_order_relaxed);
  // Pairs with the exchange of a consumer that has raised `returned`.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (news() == 0) return false;
  sleeps.store(0, std::memory_order_relaxed);
  return true;
}

void RingPort::count(const FrameCounts& more) {
  counts_.delivered += more.delivered;
  counts_.delivered_bytes += more.delivered_bytes;
  counts_.dropped += more.dropped;
  counts_.dropped_bytes += more.dropped_bytes;
}

void RingPort::count_source_dropped(std::uint64_t total) {
  source_dropped_ = total;
  shared_->counters.source_dropped.store(total, std::memory_order_relaxed);
}

void RingPort::publish() {
  wire::RingCounters& counters = shared_->counters;
  counters.delivered.store(counts_.delivered, std::memory_order_relaxed);
  counters.delivered_bytes.store(counts_.delivered_bytes, std::memory_order_relaxed);
  counters.dropped.store(counts_.dropped, std::memory_order_relaxed);
  counters.dropped_bytes.store(counts_.dropped_bytes, std::memory_order_relaxed);
  shared_->offer.offered.store(offered_, std::memory_order_release);
}

void RingPort::end(wire::Status status) {
  shared_->offer.status.store(static_cast<std::int32_t>(status), std::memory_order_relaxed);
  shared_->offer.state.store(static_cast<std::uint32_t>(wire::RingState::kEnded),
                             std::memory_order_release);
}

void RingPort::wake() {
  std::atomic<std::uint32_t>& sleeps = shared_->demand.consumer_sleeps;
  if (sleeps.load(std::memory_order_relaxed) == 0) return;
  if (sleeps.exchange(0, std::memory_order_seq_cst) == 0) return;
  // A full pipe is readable, which is all that it has to be.
  (void)!::write(pipe_.get(), "", 1);
  shared_->counters.wakeups.store(++wakeups_, std::memory_order_relaxed);
}

}  // namespace vmmc::nicsim
