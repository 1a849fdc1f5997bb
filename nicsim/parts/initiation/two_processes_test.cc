// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// That each property is looked at: machines that break one of them.

#include "nicsim/parts/initiation/two_processes.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "nicsim/parts/initiation/extended_shadow.h"
#include "nicsim/parts/initiation/kernel_call.h"
#include "nicsim/parts/initiation/key_based.h"
#include "nicsim/parts/initiation/repeated_passing.h"
#include "nicsim/parts/initiation/two_references.h"

using namespace vmmc::nicsim::parts::initiation;

namespace {

using Moves = std::vector<std::string>;

template <InitiationMachine M>
Exploration explored() {
  return TwoProcesses<M>({}, 7, 8).explore();
}

struct TwiceTheSize : TwoReferences {
  static Outcome<State> refer(const State& state, const Reference& reference) {
    auto outcome = TwoReferences::refer(state, reference);
    if (outcome.started) outcome.started->size *= 2;
    return outcome;
  }
};

struct AlwaysStarted : TwoReferences {
  static Outcome<State> refer(const State& state, const Reference& reference) {
    auto outcome = TwoReferences::refer(state, reference);
    if (outcome.answer == Answer::kRefused) outcome.answer = Answer::kStarted;
    return outcome;
  }
};

// Its transfers never end, so that the second one finds no place.
struct NeverFinished : TwoReferences {
  static State finished(const State& state) { return state; }
};

// Holds back what the attacker starts, and then starts it in place of what the victim does.
struct Exchanges {
  struct State {
    ExtendedShadow::State halves;
    std::optional<Transfer> held_back;
    auto operator<=>(const State&) const = default;
  };
  static Outcome<State> refer(const State& state, const Reference& reference) {
    const auto outcome = ExtendedShadow::refer(state.halves, reference);
    State next{outcome.state, state.held_back};
    if (!outcome.started) return {next, outcome.answer};
    if (reference.context == 1) {
      next.held_back = outcome.started;
      return {next, Answer::kRefused};
    }
    next.held_back.reset();
    return {next, Answer::kStarted, state.held_back ? state.held_back : outcome.started};
  }
  static State context_switch(const State& state) { return state; }
  static State finished(const State& state) { return state; }
  static Sequence sequence(const Asker& asker, const Transfer& transfer) {
    return ExtendedShadow::sequence(asker, transfer);
  }
};

// Any second LOAD starts what the first one and a STORE have passed.
using AnyLastLoad = RepeatedPassing<Step::kStoreDestination, Step::kLoadSource>;
struct Confirms {
  struct State {
    AnyLastLoad::State passed;
    std::optional<Transfer> waits;
    auto operator<=>(const State&) const = default;
  };
  static Outcome<State> refer(const State& state, const Reference& reference) {
    if (state.waits && reference.kind == Reference::Kind::kLoad) {
      return {State{}, Answer::kStarted, state.waits};
    }
    const auto outcome = AnyLastLoad::refer(state.passed, reference);
    if (!outcome.started) return {{outcome.state, state.waits}, outcome.answer};
    return {{outcome.state, outcome.started}, Answer::kTaken};
  }
  static State context_switch(const State& state) { return state.waits ? state : State{}; }
  static State finished(const State& state) { return state; }
  static Sequence sequence(const Asker&, const Transfer& transfer) {
    return {{store_to(transfer.destination, transfer.size), load_from(transfer.source),
             load_from(transfer.source)},
            3};
  }
};

struct KernelThatDoesNotCheck : KernelCall {
  static Outcome<State> refer(const State& state, Reference call) {
    call.allowed = true;
    return KernelCall::refer(state, call);
  }
};

struct AnyKeyFits : KeyBased {
  static Outcome<State> refer(const State& state, Reference reference) {
    reference.key = key_of(reference.context);
    return KeyBased::refer(state, reference);
  }
};

struct OneContextForAll : ExtendedShadow {
  static Outcome<State> refer(const State& state, Reference reference) {
    reference.context = 0;
    return ExtendedShadow::refer(state, reference);
  }
};

}  // namespace

TEST_CASE("two processes: a transfer of another size is not the one that is wanted") {
  const Exploration found = explored<TwiceTheSize>();
  CHECK(found.broken == "S2: the victim does not want that");
  CHECK(found.counterexample.size() == 2);
}

TEST_CASE("two processes: an answer without a transfer is a lie") {
  CHECK(explored<AlwaysStarted>().broken == "S3: the answer is not what happened");
}

TEST_CASE("two processes: who can be kept from starting for good is found") {
  const Exploration found = explored<NeverFinished>();
  CHECK(found.broken == "L: left alone, the victim gets nothing started");
}

TEST_CASE("two processes: who is told of a transfer that is not its own is found") {
  CHECK(explored<Exchanges>().broken == "S3: the victim is told a lie");
  const Exploration found = explored<Confirms>();
  CHECK(found.broken == "S3: the attacker is told of it, and the victim will not be");
  CHECK(found.counterexample.size() == 4);
}

// What makes a safe mechanism safe is what these leave out.
TEST_CASE("two processes: a kernel that does not look at the tables is found") {
  const Exploration found = explored<KernelThatDoesNotCheck>();
  CHECK(found.broken == "S2: the victim does not want that");
  CHECK(found.counterexample ==
        Moves{"switch to the attacker", "attacker: system call A -> A starts A -> A"});
}

TEST_CASE("two processes: an engine that does not look at the key is found") {
  const Exploration found = explored<AnyKeyFits>();
  CHECK(found.broken == "S1: neither process may do that");
  CHECK(found.counterexample.size() == 7);
}

TEST_CASE("two processes: an engine that does not look at the context is found") {
  const Exploration found = explored<OneContextForAll>();
  CHECK(found.broken == "S1: neither process may do that");
  CHECK(found.counterexample == Moves{"victim: STORE 1 -> shadow(B)", "switch to the attacker",
                                      "attacker: LOAD <- shadow(C) starts C -> B"});
}
