// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The fault plan: what is to go wrong on the backplane. SHRIMP's backplane loses nothing; who wants to
// see what happens if it did says so here. Each fault strikes one packet, and then is over.
//
// What a struck packet does
//   dropped    its bytes never arrive. Nobody is told: the protocol relies on a backplane that does not
//              lose anything. Counted; the trace has kPacketDropped.
//   corrupted  the receiving interface finds its checksum wrong and throws it away: as dropped, but
//              counted at the receiver; the trace has kPacketCorrupted.
//   delayed    it enters the backplane later. What its node sends behind it waits, as the order is kept. In
//              real time what any node sends waits, too: the pace holds everybody (nicsim/pace.h), until
//              the delay is over or full speed is asked for.
// The operation completes as if nothing had happened; but if it asked for a notification, and its last
// packet is one that never arrives, nobody is notified. Requests of fetches and atomic operations and their
// answers are not struck.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "nicsim/attention.h"

namespace vmmc::nicsim {

class FaultPlan {
 public:
  enum class Action : std::uint8_t { kDrop, kCorrupt, kDelay };
  static constexpr std::uint32_t kAnyNode = 0xffffffff;

  struct Fault {
    Action action;
    std::uint32_t from = kAnyNode;  // node that sends the packet
    std::uint32_t to = kAnyNode;
    std::uint32_t skip = 0;   // lets so many packets that match pass first
    std::uint64_t delay = 0;  // ns: of real time, or of simulated time
  };
  static constexpr std::size_t kMostFaults = 64;

  // `attention`, if there is one, is told whether there is a fault in the plan.
  explicit FaultPlan(Attention* attention = nullptr) : attention_(attention) {}

  // False: there are too many already.
  bool add(const Fault& fault);
  void clear();
  bool empty() const { return faults_.empty(); }  // the one branch
  const std::vector<Fault>& faults() const { return faults_; }

  // What strikes this update packet, if anything. Of several that match, the one that was added first.
  std::optional<Fault> strike(std::uint32_t from, std::uint32_t to);

  struct Counters {
    std::uint64_t dropped = 0;
    std::uint64_t corrupted = 0;
    std::uint64_t delayed = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  void refresh() const;

  Attention* const attention_;
  std::vector<Fault> faults_;
  Counters counters_;
};

}  // namespace vmmc::nicsim
