// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Initiation by the kernel, as of any DMA controller of its time. The program's one step is a system
// call with source, destination and size; the kernel looks both up in the caller's page table, and
// then makes the engine's references itself.
//
//   remembers   nothing between two calls
//   answers     kStarted, or kRefused if the caller may not read the source or write the destination
//   safe        all three arguments come in one piece from one caller, and no other process runs
//               until the engine has them. What the kernel finds in its tables is given (`allowed`),
//               not modelled
#pragma once

#include "nicsim/parts/initiation/reference.h"

namespace vmmc::nicsim::parts::initiation {

struct KernelCall {
  struct State {
    auto operator<=>(const State&) const = default;
  };

  static constexpr Outcome<State> refer(const State& state, const Reference& call) {
    if (call.kind != Reference::Kind::kSystemCall || !call.allowed) {
      return {state, Answer::kRefused};
    }
    return {state, Answer::kStarted, Transfer{call.address, call.destination, call.size}};
  }
  static constexpr State context_switch(const State& state) { return state; }
  static constexpr State finished(const State& state) { return state; }
  static constexpr Sequence sequence(const Asker&, const Transfer& transfer) {
    return {{Reference{.kind = Reference::Kind::kSystemCall,
                       .address = transfer.source,
                       .destination = transfer.destination,
                       .size = transfer.size}},
            1};
  }
};

}  // namespace vmmc::nicsim::parts::initiation
