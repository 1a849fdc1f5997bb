// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of real-time channels share: opening and connecting, datagrams whose content says who
// they are, and the time.
#pragma once

#include <doctest/doctest.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/conformance/conformance.h"
#include "vmmc/rtz.h"

namespace vmmc::testing {

inline constexpr std::uint32_t kChannel = 7;
inline constexpr std::uint64_t kMillisecond = 1'000'000;

// Little of the network interface, and a deadline that every machine keeps.
inline constexpr vmmc_rtz_budget kModest{
    .messages = 10, .period = kMillisecond, .longest = 4096, .deadline = kSecond};

inline std::uint64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kSecond +
         static_cast<std::uint64_t>(time.tv_nsec);
}

inline vmmc_rtz_options with_depth(std::uint32_t depth) {
  vmmc_rtz_options options = VMMC_RTZ_DEFAULTS;
  options.depth = depth;
  return options;
}

inline vmmc_rtz_channel* open(const vmmc_rtz_budget& budget = kModest, std::uint32_t depth = 32,
                              std::uint32_t id = kChannel) {
  const vmmc_rtz_options options = with_depth(depth);
  vmmc_rtz_channel* channel = nullptr;
  EXPECT(vmmc_rtz_open(id, &budget, &options, &channel) == VMMC_OK);
  return channel;
}

inline vmmc_rtz_channel* connect(std::uint32_t part, std::uint32_t id = kChannel) {
  vmmc_rtz_channel* channel = nullptr;
  EXPECT(vmmc_rtz_connect(identity_of(part), id, kPatience, &channel) == VMMC_OK);
  return channel;
}

inline unsigned char byte_of(std::uint64_t number, std::size_t place) {
  return static_cast<unsigned char>((place * 2654435761u + number * 40503u) >> 7);
}

inline void fill(void* memory, std::size_t length, std::uint64_t number) {
  auto* const bytes = static_cast<unsigned char*>(memory);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = byte_of(number, i);
}

inline bool is_filled(const vmmc_rtz_datagram& datagram, std::uint64_t number) {
  const auto* const bytes = static_cast<const unsigned char*>(datagram.data);
  for (std::size_t i = 0; i < datagram.length; ++i) {
    if (bytes[i] != byte_of(number, i)) return false;
  }
  return true;
}

// Waits for room and for the budget, and says with what it ended in the end.
inline int try_send(vmmc_rtz_channel* channel, std::size_t length, std::uint64_t number) {
  void* memory = nullptr;
  int status = VMMC_OK;
  while ((status = vmmc_rtz_acquire(channel, length, &memory)) == VMMC_ERR_NO_PAGE) ::usleep(50);
  if (status != VMMC_OK) return status;
  fill(memory, length, number);
  while ((status = vmmc_rtz_send(channel, memory, length, number)) == VMMC_ERR_OVER_BUDGET) {
    std::uint64_t wait = 0;
    EXPECT(vmmc_rtz_next_send(channel, &wait) == VMMC_OK);
    ::usleep(static_cast<unsigned>(wait / 1000 + 1));
  }
  return status;
}

inline void send(vmmc_rtz_channel* channel, std::size_t length, std::uint64_t number) {
  EXPECT(try_send(channel, length, number) == VMMC_OK);
}

inline vmmc_rtz_datagram receive(vmmc_rtz_channel* channel) {
  vmmc_rtz_datagram datagram{};
  EXPECT(vmmc_rtz_receive(channel, &datagram, kPatience) == VMMC_OK);
  return datagram;
}

inline void give_back(vmmc_rtz_channel* channel, const vmmc_rtz_datagram& datagram) {
  EXPECT(vmmc_rtz_return(channel, &datagram) == VMMC_OK);
}

inline vmmc_rtz_counters counters_of(const vmmc_rtz_channel* channel) {
  vmmc_rtz_counters counters{};
  EXPECT(vmmc_rtz_get_counters(channel, &counters) == VMMC_OK);
  return counters;
}

inline int open_status(const vmmc_rtz_budget& budget, const vmmc_rtz_options& options,
                       std::uint32_t id = kChannel) {
  vmmc_rtz_channel* channel = nullptr;
  return vmmc_rtz_open(id, &budget, &options, &channel);
}

inline int connect_status(std::uint32_t part, std::uint64_t timeout, std::uint32_t id = kChannel) {
  vmmc_rtz_channel* channel = nullptr;
  return vmmc_rtz_connect(identity_of(part), id, timeout, &channel);
}

}  // namespace vmmc::testing
