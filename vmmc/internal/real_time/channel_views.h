// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The parts of a real-time channel (nicsim/wire/real_time_channel.h) as each end sees them, and what
// was admitted.
//
// Threads and processes: plain values; the memory outlives whoever is given a view of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nicsim/wire/real_time_channel.h"

namespace vmmc::internal {

// Copied from the verdict once, and checked: what is there later does not matter.
struct ChannelTerms {
  std::uint32_t depth = 0;
  std::uint32_t longest = 0;       // bytes
  std::uint32_t buffer_bytes = 0;  // 0: every datagram fits a page
  std::uint32_t messages = 0;      // per period
  std::uint64_t period = 0;        // ns
  std::uint64_t deadline = 0;      // ns

  // The bytes of the source part, and of the arrival part.
  std::size_t source_bytes() const {
    return wire::kSourcePagesOffset + std::size_t{depth} * (wire::kPageSize + buffer_bytes);
  }
  std::size_t arrival_bytes() const {
    return wire::kArrivalBuffersOffset + std::size_t{depth} * buffer_bytes;
  }
  std::size_t source_buffer_offset(std::uint32_t index) const {
    return wire::kSourcePagesOffset + std::size_t{depth} * wire::kPageSize +
           std::size_t{index} * buffer_bytes;
  }
  std::size_t arrival_buffer_offset(std::uint32_t index) const {
    return wire::kArrivalBuffersOffset + std::size_t{index} * buffer_bytes;
  }
  static std::size_t source_page_offset(std::uint32_t index) {
    return wire::kSourcePagesOffset + std::size_t{index} * wire::kPageSize;
  }

  bool make_sense() const {
    const std::uint32_t buffer =
        (longest + wire::kPageSize - 1) / wire::kPageSize * wire::kPageSize;
    return depth >= 1 && depth <= wire::kMaxChannelDepth && longest >= 1 &&
           longest <= wire::kLongestDatagram && messages >= 1 &&
           buffer_bytes == (longest > wire::kPageSize ? buffer : 0);
  }
};

inline ChannelTerms terms_of(const wire::ChannelVerdict& verdict) {
  return {verdict.depth,    verdict.longest, verdict.buffer_bytes,
          verdict.messages, verdict.period,  verdict.deadline};
}

// How nicsim is told that the outgoing queue has something: its doorbell flag, and its eventfd.
struct NicDoorbell {
  std::atomic<std::uint32_t>* nic_sleeps = nullptr;
  int eventfd = -1;
};

struct SenderViews {
  wire::ChannelSource* source = nullptr;
  const wire::ChannelDemand* demand = nullptr;
  const wire::ChannelVerdict* verdict = nullptr;
  wire::ChannelArrival* arrival = nullptr;  // nullptr: nicsim carries out everything
  int bell = -1;                            // the receiver's
  NicDoorbell doorbell;
  const std::atomic<bool>* nicsim_gone = nullptr;
};

struct ReceiverViews {
  const wire::ChannelSource* source = nullptr;
  wire::ChannelArrival* arrival = nullptr;
  wire::ChannelDemand* demand = nullptr;
  const wire::ChannelVerdict* verdict = nullptr;
  int bell = -1;
  int nicsim_socket = -1;  // hangs up when nicsim ends
  const std::atomic<bool>* nicsim_gone = nullptr;
};

// One more, of a counter that only the calling thread changes and others look at.
inline void count(std::atomic<std::uint64_t>& counter,
                  std::memory_order order = std::memory_order_relaxed) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, order);
}

}  // namespace vmmc::internal
