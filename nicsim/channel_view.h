// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// nicsim's side of the channel of one process: reads descriptors exactly once, writes progress,
// wakes the client.
//
// Threads and processes: used by nicsim's one thread; the client changes its half of the memory at
// any time, so everything read here is copied first and checked by the caller afterwards.
#pragma once

#include <atomic>
#include <cstdint>

#include "nicsim/wire/channel.h"
#include "nicsim/wire/status.h"
#include "platform/shared_memory.h"

namespace vmmc::nicsim {

// A private copy of one descriptor.
struct DescriptorCopy {
  std::uint64_t header;
  std::uint32_t import_slot;
  std::uint32_t import_generation;
  std::uint64_t destination;
  union {
    std::byte inline_data[wire::kInlineBytes];
    wire::InlineBytesAndImmediate inline_notify;
    wire::LocalBytes local;
    wire::AtomicOperands atomic;
    wire::MarkOperands mark;
  };
};

class ChannelView {
 public:
  ChannelView() = default;
  // `mapping` holds at least wire::kChannelBytes, zeroed. Writes the header.
  explicit ChannelView(platform::SharedMapping mapping);

  // True if the next descriptor has been published.
  bool ready() const {
    return wire::header_sequence(slot(head_).header.load(std::memory_order_acquire)) ==
           wire::sequence_of_ticket(head_);
  }

  // Copies the next descriptor, if it has been published.
  bool take(DescriptorCopy& copy) const { return take(head_, copy); }
  // The same for a later one, less than wire::kSendSlots behind it.
  bool take(std::uint64_t ticket, DescriptorCopy& copy) const;

  // Brings the cache line of the descriptor after the next one here while we work.
  void prefetch() const { __builtin_prefetch(&slot(head_ + 1)); }

  // Ends the descriptor last taken.
  void complete(wire::Status result) {
    channel().results[head_ % wire::kSendSlots].store(static_cast<std::int32_t>(result),
                                                      std::memory_order_release);
    ++head_;
    channel().send_status.completed.store(head_, std::memory_order_release);
  }

  std::uint64_t completed() const { return head_; }

  // In simulated time: the source bytes of the descriptors before `ticket` are no longer needed.
  void free_sources(std::uint64_t ticket) {
    channel().send_status.sources_free.store(ticket, std::memory_order_release);
  }

  // The ticket after the last one that is published without a gap now: what the client has asked
  // for so far.
  std::uint64_t published() const;

  // Says that nicsim stops looking at the queue until the doorbell rings. Returns false, and goes
  // on looking, if a descriptor is ready.
  bool park();
  void unpark() { channel().doorbell.nic_sleeps.store(0, std::memory_order_relaxed); }

  // Wakes the client if it said that it sleeps. The caller has issued a sequentially consistent
  // fence since the stores that the client waits for.
  // Only if it has asked for one of `reasons` (bits kWakeOn...).
  void wake_if_armed(std::uint32_t reasons = ~std::uint32_t{0});

  // What the client says that it waits for; a hint, and no more to be believed than all it writes.
  std::uint32_t armed() const {
    return channel().wake_request.armed.load(std::memory_order_relaxed);
  }
  struct Watch {
    std::uint32_t segment;
    std::uint64_t offset;
  };
  Watch watch() const {
    const wire::WakeRequest& request = channel().wake_request;
    return {request.watch_segment.load(std::memory_order_relaxed),
            request.watch_offset.load(std::memory_order_relaxed)};
  }

  // Wakes every sleeper of the client, whatever it said.
  void wake();

  void set_import_state(std::uint32_t slot, std::uint32_t generation, wire::ImportPhase phase) {
    channel().import_states[slot].store(wire::make_import_state(generation, phase),
                                        std::memory_order_release);
  }

  const wire::HostCounts& host_counts(std::uint32_t slot) const {
    return channel().host_counts[slot];
  }

  // One writer: no read-modify-write needed.
  static void count(std::atomic<std::uint64_t>& counter, std::uint64_t amount = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  wire::ChannelCounters& counters() const { return channel().counters; }

  // The word that an atomic operation found, for the descriptor last taken; before complete().
  void set_previous(std::uint64_t value) {
    channel().previous[head_ % wire::kSendSlots].store(value, std::memory_order_relaxed);
  }

  std::byte* staging() const { return channel().staging; }
  wire::Channel& shared() const { return channel(); }

 private:
  wire::Channel& channel() const { return *reinterpret_cast<wire::Channel*>(mapping_.data()); }
  const wire::SendDescriptor& slot(std::uint64_t ticket) const {
    return channel().send_queue[ticket % wire::kSendSlots];
  }

  platform::SharedMapping mapping_;
  std::uint64_t head_ =
      0;  // ticket of the next descriptor; ours alone, never read back from shared memory
};

}  // namespace vmmc::nicsim
