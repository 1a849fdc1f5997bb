// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which ways to initiate a transfer are safe: everything that a victim and an attacker can do is done.

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "nicsim/parts/initiation/extended_shadow.h"
#include "nicsim/parts/initiation/kernel_call.h"
#include "nicsim/parts/initiation/key_based.h"
#include "nicsim/parts/initiation/mechanisms.h"
#include "nicsim/parts/initiation/repeated_passing.h"
#include "nicsim/parts/initiation/two_processes.h"
#include "nicsim/parts/initiation/two_references.h"

using namespace vmmc::nicsim::parts::initiation;

namespace {

using Moves = std::vector<std::string>;

constexpr std::array kEndings = {Ending::kNone, Ending::kGivesUp, Ending::kDiesLeavingContext,
                                 Ending::kDiesLeavingDestination};

// What the table of mechanisms calls safe takes these for granted.
bool is_as_assumed(Mechanism mechanism, const Circumstances& circumstances) {
  if (circumstances.ending != Ending::kNone && !circumstances.is_taken_back) return false;
  if (mechanism == Mechanism::kKey) return !circumstances.key_is_guessed;
  if (mechanism == Mechanism::kRepeated5) return !circumstances.destination_is_readable;
  return true;
}

std::string text_of(const Circumstances& circumstances) {
  constexpr std::array<const char*, 4> kTexts = {"", ", the victim may give up",
                                                 ", the victim may die and leave its context",
                                                 ", the victim may die and leave B"};
  return std::string(circumstances.source_is_shared ? ", shared source" : "") +
         (circumstances.destination_is_readable ? ", readable destination" : "") +
         (circumstances.key_is_guessed ? ", guessed key" : "") +
         kTexts[static_cast<std::size_t>(circumstances.ending)] +
         (circumstances.is_taken_back ? "" : ", nothing is taken back");
}

template <InitiationMachine M>
Exploration explored(Mechanism mechanism, Circumstances circumstances = {}) {
  const TwoProcesses<M> processes(circumstances, KeyBased::key_of(0), KeyBased::key_of(1));
  Exploration found = processes.explore();
  MESSAGE(info_of(mechanism).name << text_of(circumstances) << ": " << found.worlds << " states, "
                                  << found.moves << " moves\n"
                                  << (found.broken.empty() ? "nothing is broken\n" : found.text()));
  if (is_as_assumed(mechanism, circumstances) && !found.broken.empty()) {
    CHECK_FALSE(info_of(mechanism).safe);
  }
  return found;
}

// Safe, whatever the attacker may read, and whatever becomes of the victim, of what is assumed.
template <InitiationMachine M>
void check_safe(Mechanism mechanism, std::size_t least_worlds, std::size_t least_moves) {
  CHECK(info_of(mechanism).safe);
  for (const bool shared : {false, true}) {
    for (const bool readable : {false, true}) {
      for (const Ending ending : kEndings) {
        const Circumstances circumstances{
            .source_is_shared = shared, .destination_is_readable = readable, .ending = ending};
        if (!is_as_assumed(mechanism, circumstances)) continue;
        const Exploration found = explored<M>(mechanism, circumstances);
        CHECK(found.complete);
        CHECK(found.broken.empty());
        CHECK(found.worlds >= least_worlds);
        CHECK(found.moves >= least_moves);
      }
    }
  }
}

}  // namespace

TEST_CASE("safety: the kernel initiates") { check_safe<KernelCall>(Mechanism::kKernel, 6, 100); }

TEST_CASE("safety: two references with an inval at each context switch") {
  check_safe<TwoReferences>(Mechanism::kTwoReferences, 100, 2000);
}

TEST_CASE("safety: the address says whose it is") {
  check_safe<ExtendedShadow>(Mechanism::kExtendedShadow, 50, 1000);
}

TEST_CASE("safety: a secret key") { check_safe<KeyBased>(Mechanism::kKey, 500, 10000); }

TEST_CASE("safety: five references") {
  check_safe<RepeatedPassing5>(Mechanism::kRepeated5, 700, 15000);
}

TEST_CASE("safety: without the inval, another's LOAD completes a STORE") {
  const Exploration found =
      explored<TwoReferencesWithoutInval>(Mechanism::kTwoReferencesWithoutInval);
  CHECK(found.broken == "S1: neither process may do that");
  CHECK(found.counterexample == Moves{"victim: STORE 1 -> shadow(B)", "switch to the attacker",
                                      "attacker: LOAD <- shadow(C) starts C -> B"});
}

TEST_CASE("safety: a guessed key puts another's source between the victim's arguments") {
  const Exploration found = explored<KeyBased>(Mechanism::kKey, {.key_is_guessed = true});
  CHECK(found.broken == "S1: neither process may do that");
  CHECK(found.counterexample ==
        Moves{"victim: STORE key 101, context 0 -> shadow(B)", "switch to the attacker",
              "attacker: STORE key 101, context 0 -> shadow(C)", "switch to the victim",
              "victim: STORE key 101, context 0 -> shadow(A)", "victim: STORE 1 -> context 0",
              "victim: LOAD <- context 0 starts C -> B"});
}

TEST_CASE("safety: three references, of which two may be another's") {
  const Exploration found = explored<RepeatedPassing3>(Mechanism::kRepeated3);
  CHECK(found.broken == "S1: neither process may do that");
  CHECK(found.counterexample == Moves{"victim: LOAD <- shadow(A)", "switch to the attacker",
                                      "attacker: LOAD <- shadow(C)", "switch to the victim",
                                      "victim: STORE 1 -> shadow(B)", "switch to the attacker",
                                      "attacker: LOAD <- shadow(C) starts C -> B"});
}

TEST_CASE("safety: four references, nested, fall as three do") {
  const Exploration found = explored<RepeatedPassing4Nested>(Mechanism::kRepeated4Nested);
  CHECK(found.broken == "S1: neither process may do that");
  CHECK(found.counterexample == Moves{"victim: LOAD <- shadow(A)", "switch to the attacker",
                                      "attacker: LOAD <- shadow(C)", "switch to the victim",
                                      "victim: STORE 1 -> shadow(B)",
                                      "victim: STORE 1 -> shadow(B)", "switch to the attacker",
                                      "attacker: LOAD <- shadow(C) starts C -> B"});
}

TEST_CASE("safety: four references keep bytes apart, but a reader of the source takes the answer") {
  const Exploration apart = explored<RepeatedPassing4>(Mechanism::kRepeated4);
  CHECK(apart.complete);
  CHECK(apart.moves >= 10000);
  const Exploration found =
      explored<RepeatedPassing4>(Mechanism::kRepeated4, {.source_is_shared = true});
  CHECK(found.broken == "S3: the attacker is told of it, and the victim will not be");
  CHECK(found.counterexample == Moves{"victim: STORE 1 -> shadow(B)", "victim: LOAD <- shadow(A)",
                                      "victim: STORE 1 -> shadow(B)", "switch to the attacker",
                                      "attacker: LOAD <- shadow(A) starts A -> B"});
}

TEST_CASE("safety: five references, but a reader of the destination takes the answer") {
  const Exploration found =
      explored<RepeatedPassing5>(Mechanism::kRepeated5, {.destination_is_readable = true});
  CHECK(found.broken == "S3: the attacker is told of it, and the victim will not be");
  CHECK(found.counterexample == Moves{"victim: STORE 1 -> shadow(B)", "victim: LOAD <- shadow(A)",
                                      "victim: STORE 1 -> shadow(B)", "victim: LOAD <- shadow(A)",
                                      "switch to the attacker",
                                      "attacker: LOAD <- shadow(B) starts A -> B"});
  // Four references do not name the destination in a LOAD.
  CHECK(explored<RepeatedPassing4>(Mechanism::kRepeated4, {.destination_is_readable = true})
            .complete);
}

TEST_CASE("safety: who gives up must take back what a key has passed, and need not elsewhere") {
  constexpr Circumstances kGivesUp{.ending = Ending::kGivesUp, .is_taken_back = false};
  CHECK(explored<KernelCall>(Mechanism::kKernel, kGivesUp).complete);
  CHECK(explored<TwoReferences>(Mechanism::kTwoReferences, kGivesUp).complete);
  CHECK(explored<ExtendedShadow>(Mechanism::kExtendedShadow, kGivesUp).complete);
  CHECK(explored<RepeatedPassing5>(Mechanism::kRepeated5, kGivesUp).complete);
  const Exploration found = explored<KeyBased>(Mechanism::kKey, kGivesUp);
  CHECK(found.broken == "S2: the victim does not want that");
  CHECK(found.counterexample ==
        Moves{"victim: STORE key 101, context 0 -> shadow(B)", "the victim gives up",
              "victim: STORE key 101, context 0 -> shadow(B)",
              "victim: STORE key 101, context 0 -> shadow(E)", "victim: STORE 1 -> context 0",
              "victim: LOAD <- context 0 starts B -> B"});
}

TEST_CASE("safety: who gives up lets another's LOADs into four references") {
  const Exploration found = explored<RepeatedPassing4>(
      Mechanism::kRepeated4, {.ending = Ending::kGivesUp, .is_taken_back = false});
  CHECK(found.broken == "S1: neither process may do that");
  CHECK(found.counterexample ==
        Moves{"victim: STORE 1 -> shadow(B)", "the victim gives up", "switch to the attacker",
              "attacker: LOAD <- shadow(C)", "switch to the victim", "victim: STORE 1 -> shadow(B)",
              "switch to the attacker", "attacker: LOAD <- shadow(C) starts C -> B"});
}

TEST_CASE("safety: who inherits a context that the kernel has not emptied completes a transfer") {
  constexpr Circumstances kDies{.ending = Ending::kDiesLeavingContext, .is_taken_back = false};
  CHECK(explored<KernelCall>(Mechanism::kKernel, kDies).complete);
  CHECK(explored<TwoReferences>(Mechanism::kTwoReferences, kDies).complete);
  CHECK(explored<RepeatedPassing5>(Mechanism::kRepeated5, kDies).complete);
  const Exploration extended = explored<ExtendedShadow>(Mechanism::kExtendedShadow, kDies);
  CHECK(extended.broken == "S1: neither process may do that");
  CHECK(extended.counterexample == Moves{"victim: STORE 1 -> shadow(B)", "the victim dies",
                                         "attacker: LOAD <- shadow(C) starts C -> B"});
  const Exploration key = explored<KeyBased>(Mechanism::kKey, kDies);
  CHECK(key.broken == "S1: neither process may do that");
  CHECK(key.counterexample == Moves{"victim: STORE key 101, context 0 -> shadow(B)",
                                    "victim: STORE key 101, context 0 -> shadow(A)",
                                    "victim: STORE 1 -> context 0", "the victim dies",
                                    "attacker: LOAD <- context 0 starts A -> B"});
}

TEST_CASE("safety: who inherits a destination completes five references that nobody took back") {
  constexpr Circumstances kDies{.ending = Ending::kDiesLeavingDestination, .is_taken_back = false};
  CHECK(explored<KernelCall>(Mechanism::kKernel, kDies).complete);
  CHECK(explored<TwoReferences>(Mechanism::kTwoReferences, kDies).complete);
  CHECK(explored<ExtendedShadow>(Mechanism::kExtendedShadow, kDies).complete);
  CHECK(explored<KeyBased>(Mechanism::kKey, kDies).complete);
  const Exploration found = explored<RepeatedPassing5>(Mechanism::kRepeated5, kDies);
  CHECK(found.broken == "S1: neither process may do that");
  CHECK(found.counterexample == Moves{"victim: STORE 1 -> shadow(B)", "victim: LOAD <- shadow(A)",
                                      "victim: STORE 1 -> shadow(B)", "victim: LOAD <- shadow(A)",
                                      "the victim dies",
                                      "attacker: LOAD <- shadow(B) starts A -> B"});
}
