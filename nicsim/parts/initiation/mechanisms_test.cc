// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/initiation/mechanisms.h"

#include <doctest/doctest.h>

#include <set>
#include <utility>

#include "nicsim/parts/initiation/cost.h"
#include "nicsim/parts/initiation/extended_shadow.h"
#include "nicsim/parts/initiation/kernel_call.h"
#include "nicsim/parts/initiation/key_based.h"
#include "nicsim/parts/initiation/repeated_passing.h"
#include "nicsim/parts/initiation/two_references.h"

using namespace vmmc::nicsim::parts::initiation;

namespace {

// What the program of a state machine consists of.
template <InitiationMachine M>
void check_program(Mechanism mechanism) {
  using Kind = Reference::Kind;
  const MechanismInfo& info = info_of(mechanism);
  CAPTURE(info.name);
  const Sequence sequence = M::sequence({.context = 1, .key = 7}, {3, 4, 5});
  std::uint32_t stores = 0;
  std::uint32_t loads = 0;
  std::uint32_t repeated = 0;
  std::set<std::pair<Kind, Address>> stored;
  for (std::size_t i = 0; i < sequence.length; ++i) {
    const Reference& one = sequence.references[i];
    if (one.kind == Kind::kLoad || one.kind == Kind::kLoadStatus) {
      ++loads;
    } else {
      ++stores;
      if (!stored.insert({one.kind, one.address}).second) ++repeated;
    }
  }
  CHECK(stores == info.stores);
  CHECK(loads == info.loads);
  CHECK(repeated == info.barriers);
  CHECK(info.system_calls == 0);
}

}  // namespace

TEST_CASE("mechanisms: the table is in order, and its names differ") {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kMechanisms.size(); ++i) {
    CHECK(static_cast<std::size_t>(kMechanisms[i].mechanism) == i);
    CHECK(from_parameter(as_parameter(kMechanisms[i].mechanism)) == kMechanisms[i].mechanism);
    CHECK(kMechanismNames[i] == kMechanisms[i].name);
    names.insert(kMechanisms[i].name);
  }
  CHECK(names.size() == kMechanisms.size());
}

TEST_CASE("mechanisms: the numbers are those of the programs") {
  check_program<TwoReferences>(Mechanism::kTwoReferences);
  check_program<TwoReferencesWithoutInval>(Mechanism::kTwoReferencesWithoutInval);
  check_program<KeyBased>(Mechanism::kKey);
  check_program<ExtendedShadow>(Mechanism::kExtendedShadow);
  check_program<RepeatedPassing3>(Mechanism::kRepeated3);
  check_program<RepeatedPassing4>(Mechanism::kRepeated4);
  check_program<RepeatedPassing4Nested>(Mechanism::kRepeated4Nested);
  check_program<RepeatedPassing5>(Mechanism::kRepeated5);
  // The kernel's program is one system call; the references are the kernel's, SHRIMP's two.
  const Sequence call = KernelCall::sequence({}, {3, 4, 5});
  CHECK(call.length == 1);
  CHECK(call.references[0].kind == Reference::Kind::kSystemCall);
  const MechanismInfo& kernel = info_of(Mechanism::kKernel);
  CHECK(kernel.system_calls == 1);
  CHECK(kernel.stores == 1);
  CHECK(kernel.loads == 1);
  CHECK(kernel.barriers == 0);
}

TEST_CASE("mechanisms: a cost is the numbers times the parameters") {
  vmmc::nicsim::model::TimingModel model{};
  model.processor.system_call_ns = 10000;
  model.deliberate_update_engine.store_ns = 1;
  model.deliberate_update_engine.load_ns = 10;
  model.deliberate_update_engine.barrier_ns = 100;
  CHECK(references_ns(info_of(Mechanism::kTwoReferences), model) == 11);
  CHECK(references_ns(info_of(Mechanism::kKey), model) == 13);
  CHECK(references_ns(info_of(Mechanism::kRepeated3), model) == 21);
  CHECK(references_ns(info_of(Mechanism::kRepeated5), model) == 132);
  CHECK(references_ns(info_of(Mechanism::kKernel), model) == 11);
  CHECK(system_calls_ns(info_of(Mechanism::kRepeated5), model) == 0);
  CHECK(system_calls_ns(info_of(Mechanism::kKernel), model) == 10000);
}
