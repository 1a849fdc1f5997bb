// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A crew: the processes of a parallel program, one on each node, that meet at barriers.
//
// A barrier is log2(n) rounds (n is a power of two, or 1): in round r each process stores its count into a
// word of the process 2^r further on, by automatic update, and waits for that of the process 2^r before it.
//
// Threads: one (nicsim/sim).
#pragma once

#include <cstdint>
#include <vector>

#include "nicsim/parts/hardware.h"
#include "nicsim/sim/process.h"

namespace vmmc::figures {

// The nearest to a square; `nodes` is a power of two.
nicsim::parts::MachineShape shape_of(std::uint32_t nodes);

class CrewMember {
 public:
  CrewMember(nicsim::sim::Process& self, std::uint32_t processes);

  nicsim::sim::Task<> connect();
  nicsim::sim::Task<> barrier();

 private:
  nicsim::sim::Process& self_;
  std::uint32_t processes_;
  nicsim::sim::Buffer counts_;  // one word for each round, a page apart
  std::vector<nicsim::sim::Binding> partners_;
  std::uint32_t barriers_ = 0;
};

}  // namespace vmmc::figures
