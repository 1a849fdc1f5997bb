// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What is said of bindings to those who look at the machine.

#include <doctest/doctest.h>

#include "vmmc/internal/automatic/testing/bound_pages.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;

TEST_CASE("a binding is declared when it is made, and ends when it ends") {
  AutomaticRig rig;
  ProgramPages local(4);
  const vmmc_bind_options by_timer{VMMC_CAPTURE_TYPED, VMMC_COMBINE_TIMER, 12'345, 0};
  vmmc_binding* const first = rig.bind(local.at(), kPage, by_timer, kPage);
  vmmc_binding* const second = rig.bind(
      local.at(kPage), 2 * kPage, {VMMC_CAPTURE_AUTO, VMMC_COMBINE_BLOCK, 12'345, 0}, 2 * kPage);
  REQUIRE(rig.declarations.held().size() == 2);
  const BindingDeclaration& one = rig.declarations.held().begin()->second;
  CHECK(one.import_slot == AutomaticRig::kSlot);
  CHECK(one.import_generation == AutomaticRig::kGeneration);
  CHECK(one.offset == kPage);
  CHECK(one.length == kPage);
  CHECK(one.address == reinterpret_cast<std::uintptr_t>(local.at()));
  CHECK(one.options.capture == VMMC_CAPTURE_TYPED);
  CHECK(one.options.combining == VMMC_COMBINE_TIMER);
  CHECK(one.options.timer == 12'345);
  const BindingDeclaration& two = rig.declarations.held().rbegin()->second;
  CHECK(two.options.capture == VMMC_CAPTURE_TRAP);  // what was chosen
  CHECK(two.options.timer == 0);                    // it has none
  CHECK(two.length == 2 * kPage);
  CHECK(rig.update.unbind(first) == VMMC_OK);
  REQUIRE(rig.declarations.held().size() == 1);
  CHECK(rig.declarations.held().begin()->second.offset == 2 * kPage);
  CHECK(rig.update.unbind(first) == VMMC_ERR_BAD_HANDLE);
  CHECK(rig.update.unbind(second) == VMMC_OK);
  CHECK(rig.declarations.held().empty());
  CHECK(rig.declarations.ended_of_none() == 0);
}

TEST_CASE("a binding that notifies combines nothing") {
  AutomaticRig rig;
  ProgramPages local(1);
  rig.bind(local.at(), kPage, {VMMC_CAPTURE_TYPED, VMMC_COMBINE_TIMER, 50'000, 1});
  REQUIRE(rig.declarations.held().size() == 1);
  const vmmc_bind_options& said = rig.declarations.held().begin()->second.options;
  CHECK(said.combining == VMMC_COMBINE_OFF);
  CHECK(said.timer == 0);
  CHECK(said.notify != 0);
}

TEST_CASE("what is not bound is not declared") {
  AutomaticRig rig;
  ProgramPages local(1);
  rig.capture.refusal = ENOTSUP;
  vmmc_binding* handle = nullptr;
  CHECK(rig.update.bind(local.at(), rig.proxy(), kPage,
                        options_of(VMMC_CAPTURE_TRAP, VMMC_COMBINE_BLOCK),
                        &handle) == VMMC_ERR_CAPTURE_UNAVAILABLE);
  CHECK(rig.declarations.held().empty());
}
