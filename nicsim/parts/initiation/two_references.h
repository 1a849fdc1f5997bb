// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// SHRIMP's own way, on the state machine of initiation_state.h:
//
//   STORE size   -> shadow(destination)    the engine notes destination and size
//   LOAD  status <- shadow(source)         the engine starts
//
//   remembers   a destination with its size until a LOAD comes, and the transfer under way; it does
//               not know whose they are
//   answers     to the LOAD: kStarted; kRefused if there is no destination, or another transfer is
//               under way
//
// With kInval the kernel has the engine forget a destination at every context switch. That makes it
// safe: a STORE and a LOAD with no switch between them are of one process. A program whose two
// references were torn apart is refused, and makes both again.
// Without it the way is unsafe: a LOAD by whoever runs next completes the STORE, so its bytes go to
// the destination of another.
#pragma once

#include "nicsim/parts/initiation/initiation_state.h"
#include "nicsim/parts/initiation/reference.h"

namespace vmmc::nicsim::parts::initiation {

template <bool kInval>
struct TwoReferencesMachine {
  using State = InitiationState;

  static constexpr Outcome<State> refer(const State& state, const Reference& reference) {
    switch (reference.kind) {
      case Reference::Kind::kStore:
        return {store(state, {ProxySpace::kDevice, reference.address}, reference.size)};
      case Reference::Kind::kLoad:
        break;
      default:
        return {state, Answer::kRefused};
    }
    const InitiationLoad loaded = load(state, {ProxySpace::kMemory, reference.address});
    if (!loaded.status.initiated) return {loaded.state, Answer::kRefused};
    return {loaded.state, Answer::kStarted,
            Transfer{reference.address, static_cast<Address>(loaded.state.destination.address),
                     static_cast<std::int64_t>(loaded.state.count)}};
  }
  static constexpr State context_switch(const State& state) {
    return kInval ? inval(state) : state;
  }
  static constexpr State finished(const State& state) { return done(state); }
  static constexpr Sequence sequence(const Asker&, const Transfer& transfer) {
    return {{store_to(transfer.destination, transfer.size), load_from(transfer.source)}, 2};
  }
};

using TwoReferences = TwoReferencesMachine<true>;
using TwoReferencesWithoutInval = TwoReferencesMachine<false>;

}  // namespace vmmc::nicsim::parts::initiation
