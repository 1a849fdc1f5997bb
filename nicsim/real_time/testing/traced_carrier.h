// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: a channel that nicsim carries out while the instruments look at it, with its two
// ends. Its trace's clock goes on by 10 ps whenever it is read.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "nicsim/real_time/carrier.h"
#include "nicsim/real_time/testing/channel_ends.h"
#include "nicsim/wire/simulated_time.h"

namespace vmmc::nicsim::real_time::testing {

inline constexpr ChannelEnds kEnds{
    .from_node = 1, .from_process = 5, .to_node = 2, .to_process = 6, .channel = 77};

struct TracedCarrier {
  static constexpr std::uint64_t kDeadline = 10'000;
  explicit TracedCarrier(std::uint32_t messages = 1000)
      : carrier(memory,
                {.messages = messages, .period = 1000, .deadline = kDeadline, .longest = 20'000}) {
    instruments.trace.describe(
        {wire::kRealTime, 1, 4, "none", [this] { return picoseconds += 10; }});
    carrier.connect({.ends = kEnds, .faults = &instruments.faults, .instruments = &instruments});
  }
  void start_trace() { REQUIRE(trace.start(Trace::kLeastRecords) == 0); }
  bool packet() {
    carrier.settle(now);
    if (!carrier.has_packet(now, true)) return false;
    carrier.serve(now, true);
    return true;
  }
  void packets() {
    while (packet()) continue;
  }
  void fault(FaultPlan::Action action, std::uint32_t skip = 0, std::uint64_t delay = 0) {
    REQUIRE(instruments.faults.add({.action = action, .skip = skip, .delay = delay}));
  }
  // Bytes of the datagram of that number.
  static std::string sent(std::uint64_t number, std::uint32_t offset, std::uint32_t length) {
    std::string bytes;
    for (std::uint32_t n = offset; n < offset + length; ++n) {
      bytes += static_cast<char>(content_of(number, n));
    }
    return bytes;
  }

  std::uint64_t now = 1'000'000'000'000;
  std::uint64_t picoseconds = 0;
  Instruments instruments;
  Trace& trace = instruments.trace;
  ChannelMemory memory{std::move(ChannelMemory::make(ChannelShape::of(8, 20'000)).value())};
  Carrier carrier;
  SendingEnd sender{memory};
  ReceivingEnd receiver{memory};
};

}  // namespace vmmc::nicsim::real_time::testing
