// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Two processes of one contestant, connected for datagrams of one length, which do rounds on
// command and sleep in between.
//
// Threads and processes: used by the program that measures; the two die with it.
#pragma once

#include "bench/rtz/port.h"
#include "bench/rtz/round.h"
#include "bench/support/placement.h"
#include "bench/support/processes.h"

namespace vmmc::bench {

class Pair {
 public:
  // Returns when both are connected.
  Pair(Contestant contestant, const PortPlan& plan, const CorePlan& cores);
  // The two close the connection and end.
  ~Pair();
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  Contestant contestant() const { return contestant_; }

  // Begins 20 ms from now, whatever round.start says. Valid until the next round.
  const Outcome& run(Round round);
  bool fifo_refused() const { return memory_->fifo_refused; }

 private:
  void serve(PortLink& link, PortPlan plan, int side);
  void await(Gate& gate, std::uint64_t timeout);

  Contestant contestant_;
  Shared<RoundMemory> memory_;
  Gate go_[2];
  Gate done_[2];
  pid_t processes_[2];
};

}  // namespace vmmc::bench
