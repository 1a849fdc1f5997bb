// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a vmmc_rtz_channel* stands for: a number that names a place in this table, and is never given
// twice. One that has ended, or never was, is found out at the price of one load.
//
// Threads and processes
//   Any thread puts, takes out and finds. An end that is used while it is taken out is a mistake of
//   the program's. Async-signal-safe; in a forked child clear() makes the table its own.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "vmmc/rtz.h"

namespace vmmc::internal {

class DatagramReceiver;
class DatagramSender;

class ChannelTable {
 public:
  static constexpr std::size_t kPlaces = 1024;

  struct Ends {
    DatagramSender* sender = nullptr;      // or
    DatagramReceiver* receiver = nullptr;  // one of them
  };

  // nullptr: there is no place.
  vmmc_rtz_channel* put(const Ends& ends) {
    for (std::size_t i = 0; i < kPlaces; ++i) {
      std::uint64_t none = 0;
      if (!places_[i].name.compare_exchange_strong(none, kReserved)) continue;
      places_[i].ends = ends;
      const std::uint64_t name = next_.fetch_add(1) * kPlaces + i;
      places_[i].name.store(name, std::memory_order_release);
      return reinterpret_cast<vmmc_rtz_channel*>(name);
    }
    return nullptr;
  }
  void take_out(vmmc_rtz_channel* channel) { place_of(channel).name.store(0); }
  // nullptr: no such channel.
  const Ends* find(const vmmc_rtz_channel* channel) const {
    const Place& place = places_[name_of(channel) % kPlaces];
    const std::uint64_t name = place.name.load(std::memory_order_acquire);
    return name == name_of(channel) && name >= kPlaces ? &place.ends : nullptr;
  }
  void clear() {
    for (Place& place : places_) place.name.store(0);
  }

 private:
  struct Place {
    std::atomic<std::uint64_t> name{0};  // 0: free
    Ends ends;
  };
  static constexpr std::uint64_t kReserved = 1;  // names begin with kPlaces
  static std::uint64_t name_of(const vmmc_rtz_channel* channel) {
    return reinterpret_cast<std::uintptr_t>(channel);
  }
  Place& place_of(const vmmc_rtz_channel* channel) { return places_[name_of(channel) % kPlaces]; }

  std::array<Place, kPlaces> places_{};
  std::atomic<std::uint64_t> next_{1};
};

inline constinit ChannelTable channel_table;

}  // namespace vmmc::internal
