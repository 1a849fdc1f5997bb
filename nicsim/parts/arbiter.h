// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The arbiter: shares the network interface chip among those who want to send and what has come in.
// It grants one of them at a time, which takes grant_ns.
//
// The chip has a link in each direction: a packet that is held up on its way out does not hold up
// what comes in. (Else nodes that send to each other could wait for each other for ever.)
//
// Invariants: who wants the chip gets it; with incoming_first what has come in never waits for more
// than one grant of another; else they take turns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nicsim/model/parameters.h"
#include "nicsim/parts/event_queue.h"

namespace vmmc::nicsim::parts {

class Arbiter {
 public:
  class Requester {
   public:
    virtual ~Requester() = default;
    // Stays so until it is granted.
    virtual bool wants_chip() const = 0;
    virtual void chip_granted() = 0;
  };

  // `incoming` comes first, if the switch says so.
  Arbiter(EventQueue& queue, const model::ArbiterParameters& parameters, Requester& incoming,
          std::vector<Requester*> outgoing);

  // Somebody may want it who did not before.
  void look();

  struct Counters {
    std::uint64_t incoming_grants = 0;
    std::uint64_t outgoing_grants = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  void granted(std::uint64_t requester);

  EventQueue& queue_;
  Time grant_;
  bool incoming_first_;
  std::vector<Requester*> requesters_;  // the first one is incoming
  std::size_t turn_ = 0;                // who is asked first
  bool granting_ = false;
  Counters counters_;
};

}  // namespace vmmc::nicsim::parts
