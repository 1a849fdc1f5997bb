// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: the sender and the receiver of a channel with the nic executor, as the library
// would play them, and their books: who has which page and buffer.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <set>
#include <vector>

#include "nicsim/real_time/channel_memory.h"

namespace vmmc::nicsim::real_time::testing {

inline std::byte content_of(std::uint64_t number, std::uint32_t offset) {
  return static_cast<std::byte>(number * 31 + offset / wire::kPageSize * 7 + offset % 251);
}

class SendingEnd {
 public:
  // What the sender maps: by default nicsim's own mappings.
  explicit SendingEnd(const ChannelMemory& memory) : memory_(memory) {
    for (std::uint32_t n = 0; n < memory.shape.depth; ++n) {
      pages.insert(n);
      if (memory.shape.buffer_bytes > 0) buffers.insert(n), targets.insert(n);
    }
  }

  wire::ChannelSource& source() {
    return *reinterpret_cast<wire::ChannelSource*>(memory_.source_part.mapping.data());
  }
  std::byte* page(std::uint32_t index) {
    return memory_.source_part.mapping.data() + wire::kSourcePagesOffset +
           std::size_t{index} * wire::kPageSize;
  }

  // False: no page, or no place in the queue.
  bool send_page(std::uint32_t length, std::uint64_t sent) {
    collect();
    if (pages.empty()) return false;
    const std::uint32_t index = *pages.begin();
    pages.erase(index);
    for (std::uint32_t n = 0; n < length; ++n) page(index)[n] = content_of(number, n);
    post({.place = wire::DatagramPlace::kPage, .index = index, .length = length}, sent);
    return true;
  }
  bool send_buffer(std::uint32_t length, std::uint64_t sent) {
    collect();
    if (buffers.empty() || targets.empty()) return false;
    const std::uint32_t index = *buffers.begin();
    const std::uint32_t target = *targets.begin();
    buffers.erase(index);
    targets.erase(target);
    std::byte* const bytes = const_cast<std::byte*>(memory_.source_buffer(index));
    for (std::uint32_t n = 0; n < length; ++n) bytes[n] = content_of(number, n);
    busy_.push_back({posted, index});
    post(
        {.place = wire::DatagramPlace::kBuffer, .index = index, .length = length, .target = target},
        sent);
    return true;
  }

  struct Named {
    wire::DatagramPlace place;
    std::uint32_t index = 0;
    std::uint32_t length = 0;
    std::uint32_t target = 0;
  };
  void post(const Named& named, std::uint64_t sent) { post(named, sent, number++); }
  void post(const Named& named, std::uint64_t sent, std::uint64_t as_number) {
    wire::DatagramSlot& slot = source().outgoing[posted % wire::kChannelSlots];
    slot.sent = sent;
    slot.number = as_number;
    slot.place = named.place;
    slot.index = named.index;
    slot.length = named.length;
    slot.target = named.target;
    slot.tag = as_number * 3;
    slot.sequence.store(++posted, std::memory_order_release);
  }

  // What has come back.
  void collect() {
    const wire::ChannelDemand& demand = memory_.demand();
    const wire::ChannelVerdict& verdict = memory_.verdict();
    take(demand.returns, demand.returned.load(std::memory_order_acquire), from_receiver_);
    take(verdict.returns, verdict.returned.load(std::memory_order_acquire), from_nicsim_);
    const std::uint64_t carried = verdict.carried_out.load(std::memory_order_acquire);
    while (!busy_.empty() && busy_.front().first < carried) {
      CHECK(buffers.insert(busy_.front().second).second);
      busy_.pop_front();
    }
  }

  std::set<std::uint32_t> pages;    // the sender's
  std::set<std::uint32_t> buffers;  // its own
  std::set<std::uint32_t> targets;  // the receiver's, that it may fill
  std::uint64_t number = 0;
  std::uint64_t posted = 0;

 private:
  void take(const std::atomic<std::uint32_t>* returns, std::uint64_t returned,
            std::uint64_t& taken) {
    for (; taken < returned; ++taken) {
      const std::uint32_t entry = returns[taken % wire::kChannelSlots].load();
      auto& to = wire::returned_place(entry) == wire::DatagramPlace::kPage ? pages : targets;
      // In nobody else's hands.
      CHECK(to.insert(wire::returned_index(entry)).second);
    }
  }

  const ChannelMemory& memory_;
  std::deque<std::pair<std::uint64_t, std::uint32_t>> busy_;
  std::uint64_t from_receiver_ = 0;
  std::uint64_t from_nicsim_ = 0;
};

class ReceivingEnd {
 public:
  explicit ReceivingEnd(const ChannelMemory& memory) : memory_(memory) {}

  struct Datagram {
    wire::DatagramPlace place;
    std::uint32_t index;
    std::uint32_t length;
    std::uint64_t number;
    std::uint64_t tag;
  };
  // The next one, which may be a lost one; nothing: there is none.
  std::optional<Datagram> receive() {
    const wire::DatagramSlot& slot = memory_.arrival().slots[next % wire::kChannelSlots];
    if (slot.sequence.load(std::memory_order_acquire) != next + 1) return std::nullopt;
    const Datagram datagram{slot.place, slot.index, slot.length, slot.number, slot.tag};
    CHECK(datagram.number == next);
    ++next;
    const bool is_lost = datagram.place == wire::DatagramPlace::kLost;
    if (!is_lost) {
      CHECK(datagram.tag == datagram.number * 3);
      held.push_back(datagram);
    }
    count(is_lost ? demand().lost : demand().received);
    return datagram;
  }
  const std::byte* data_of(const Datagram& datagram) const {
    if (datagram.place == wire::DatagramPlace::kBuffer) {
      return memory_.arrival_buffer(datagram.index);
    }
    return memory_.source_part.mapping.data() + wire::kSourcePagesOffset +
           std::size_t{datagram.index} * wire::kPageSize;
  }
  bool is_whole(const Datagram& datagram) const {
    const std::byte* const bytes = data_of(datagram);
    for (std::uint32_t n = 0; n < datagram.length; ++n) {
      if (bytes[n] != content_of(datagram.number, n)) return false;
    }
    return true;
  }
  void give_back(std::size_t which) {
    const Datagram datagram = held[which];
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
    const std::uint32_t entry = wire::make_returned(datagram.place, datagram.index);
    demand().returns[returned_ % wire::kChannelSlots].store(entry, std::memory_order_relaxed);
    demand().returned.store(++returned_, std::memory_order_release);
  }
  wire::ChannelDemand& demand() {
    return *reinterpret_cast<wire::ChannelDemand*>(memory_.demand_part.mapping.data());
  }

  std::vector<Datagram> held;
  std::uint64_t next = 0;

 private:
  static void count(std::atomic<std::uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_release);
  }
  const ChannelMemory& memory_;
  std::uint64_t returned_ = 0;
};

}  // namespace vmmc::nicsim::real_time::testing
