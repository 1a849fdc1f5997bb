// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Repeated passing of arguments: the engine knows neither processes nor contexts, and the kernel does
// nothing. A program passes its addresses more than once, and the engine starts when it has seen a
// whole pattern of references, one right after the other, that agree with each other:
//
//   3          LOAD s, STORE d, LOAD s
//   4          STORE d, LOAD s, STORE d, LOAD s
//   4, nested  LOAD s, STORE d, STORE d, LOAD s
//   5          STORE d, LOAD s, STORE d, LOAD s, LOAD d
//
// where d is the shadow of the destination and s that of the source, and both STOREs pass the same
// size. Published are the form of three, that forms of four fail, and that the safe one has five of
// which the first, third and fifth name the private address. Which forms of four were meant was not
// to be read: these are the two that lie near.
//
//   remembers   how far the pattern has come, source, destination and size. A reference that does not
//               go on with it makes the engine forget all, and may be the first of a new pattern
//   answers     to a LOAD: kStarted to the last of the pattern; kTaken to one that goes on with it or
//               begins it; else kRefused
//
// 3 is unsafe: the engine has seen LOAD c, STORE b, LOAD c if both LOADs were an attacker's and the
// STORE between them the victim's. 4 nested falls in the same way, as the victim makes its STOREs one
// after the other.
// 4 keeps bytes apart: an attacker would have to make its LOAD between two STOREs of the victim, in
// place of the one that the victim makes there itself. But its last LOAD names the source alone, and a
// source may be readable by others. One of them can make that LOAD: it is told of a transfer that is
// not its own, and the victim is told that nothing was started while its transfer is under way.
// 5 is safe as long as nobody else may write the destination, nor read it: 1, 3 and 5 name it, so
// these three are its owner's. Its program has a LOAD between any two of them that follow each other,
// and the engine has seen one reference there and no more: so 2 and 4 are the owner's as well, and so
// is the answer to the fifth. Who may read the destination can make the fifth and take that answer, as
// a reader of the source does with 4. Processes that share a destination, be it for reading only, have
// to agree between themselves who uses it.
//
// A sequence that ends half-way: a program that gives up has nothing to take back with 5; with 4, its
// next STORE may be the second of a pattern whose LOADs are another's. When a process has died, the
// kernel has to make the engine forget (STORE a negative size to any shadow) before it gives the
// destination to another, who could make the fifth reference.
#pragma once

#include "nicsim/parts/initiation/reference.h"

namespace vmmc::nicsim::parts::initiation {

enum class Step : std::uint8_t { kLoadSource, kStoreDestination, kLoadDestination };

template <Step... kSteps>
struct RepeatedPassing {
  static constexpr std::array kPattern = {kSteps...};

  struct State {
    std::uint8_t steps = 0;  // of the pattern; nothing else is set without the step that sets it
    std::optional<Address> source;
    std::optional<Address> destination;
    std::int64_t size = 0;
    auto operator<=>(const State&) const = default;
  };

  static constexpr Outcome<State> refer(const State& state, const Reference& reference) {
    const bool is_load = reference.kind == Reference::Kind::kLoad;
    if (!is_load && reference.kind != Reference::Kind::kStore) return {state, Answer::kRefused};
    State next = state;
    if (!goes_on(next, reference)) {
      next = State{};
      if (goes_on(next, reference)) return {next, is_load ? Answer::kTaken : Answer::kNone};
      return {State{}, is_load ? Answer::kRefused : Answer::kNone};
    }
    if (next.steps < kPattern.size()) return {next, is_load ? Answer::kTaken : Answer::kNone};
    return {State{}, Answer::kStarted, Transfer{*next.source, *next.destination, next.size}};
  }
  static constexpr State context_switch(const State& state) { return state; }
  static constexpr State finished(const State& state) { return state; }
  static constexpr Sequence sequence(const Asker&, const Transfer& transfer) {
    Sequence sequence;
    for (const Step step : kPattern) {
      sequence.references[sequence.length++] =
          step == Step::kStoreDestination ? store_to(transfer.destination, transfer.size)
          : step == Step::kLoadSource     ? load_from(transfer.source)
                                          : load_from(transfer.destination);
    }
    return sequence;
  }

 private:
  static constexpr bool agrees(std::optional<Address>& noted, Address address) {
    if (!noted) noted = address;
    return *noted == address;
  }

  // Takes the reference as the pattern's next, or returns false.
  static constexpr bool goes_on(State& state, const Reference& reference) {
    const bool is_store = reference.kind == Reference::Kind::kStore;
    const Step step = kPattern[state.steps];
    if (is_store != (step == Step::kStoreDestination)) return false;
    if (is_store) {
      if (reference.size < 0 || (state.destination && reference.size != state.size)) return false;
      state.size = reference.size;
    }
    auto& noted = step == Step::kLoadSource ? state.source : state.destination;
    if (!agrees(noted, reference.address)) return false;
    ++state.steps;
    return true;
  }
};

using RepeatedPassing3 =
    RepeatedPassing<Step::kLoadSource, Step::kStoreDestination, Step::kLoadSource>;
using RepeatedPassing4 = RepeatedPassing<Step::kStoreDestination, Step::kLoadSource,
                                         Step::kStoreDestination, Step::kLoadSource>;
using RepeatedPassing4Nested = RepeatedPassing<Step::kLoadSource, Step::kStoreDestination,
                                               Step::kStoreDestination, Step::kLoadSource>;
using RepeatedPassing5 =
    RepeatedPassing<Step::kStoreDestination, Step::kLoadSource, Step::kStoreDestination,
                    Step::kLoadSource, Step::kLoadDestination>;

}  // namespace vmmc::nicsim::parts::initiation
