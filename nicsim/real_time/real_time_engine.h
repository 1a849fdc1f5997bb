// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The scheduling of real-time packets: which channel's packet is carried out next. Among those
// within their budgets the channel with the shortest deadline; of equal ones the one that was added
// first. A datagram beyond its channel's budget waits, with each of its packets, until no channel
// has one within its own, and gets one packet before an ordinary one gets its turn. What is within:
// see Carrier.
//
// The transfer engine asks before each packet of an ordinary transfer, so a real-time packet waits
// for at most one of these.
//
// Threads: nicsim's one.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "nicsim/real_time/carrier.h"
#include "nicsim/real_time/packets_first.h"
#include "platform/clock.h"

namespace vmmc::nicsim::real_time {

using platform::monotonic_ns;

class RealTimeEngine final : public PacketsFirst {
 public:
  // Tests bring a clock of their own.
  explicit RealTimeEngine(std::function<std::uint64_t()> clock = monotonic_ns)
      : clock_(std::move(clock)) {}

  // The carrier outlives its stay.
  void add(Carrier& carrier);
  void remove(Carrier& carrier);

  bool has_carriers() const { return !carriers_.empty(); }
  // Between two datagrams of the busiest channel, ns; UINT64_MAX: there is none.
  std::uint64_t shortest_interval() const { return shortest_interval_; }

  // Carries out at most one packet. What it was.
  enum class Served { kNothing, kPacket, kBeyondBudget };
  Served serve_packet();
  void serve_waiting() override { serve_all(); }
  // The same; whether there was one.
  bool serve_all();

  // Whether serve_packet() would carry something out, or something is to be given up now. A
  // sequentially consistent fence before it, and none is missed whose sender has not been asked to
  // ring.
  bool has_ready() const;
  // ns from now until something is to be done though nobody rings; UINT64_MAX: never.
  std::uint64_t ns_to_next() const;

 private:
  bool is_idle() const;
  void find_shortest_interval();

  std::function<std::uint64_t()> clock_;
  std::vector<Carrier*> carriers_;  // the most urgent first
  std::uint64_t shortest_interval_ = UINT64_MAX;
};

}  // namespace vmmc::nicsim::real_time
