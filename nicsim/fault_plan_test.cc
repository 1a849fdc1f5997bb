// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/fault_plan.h"

#include <doctest/doctest.h>

using vmmc::nicsim::FaultPlan;
using Action = FaultPlan::Action;

TEST_CASE("a fault strikes one packet, and then is over") {
  FaultPlan plan;
  CHECK(plan.empty());
  CHECK_FALSE(plan.strike(0, 1).has_value());
  CHECK(plan.add({.action = Action::kDrop, .from = 0, .to = 1}));
  CHECK_FALSE(plan.empty());
  CHECK_FALSE(plan.strike(1, 0).has_value());
  CHECK_FALSE(plan.strike(0, 2).has_value());
  const auto struck = plan.strike(0, 1);
  REQUIRE(struck.has_value());
  CHECK(struck->action == Action::kDrop);
  CHECK(plan.empty());
  CHECK_FALSE(plan.strike(0, 1).has_value());
  CHECK(plan.counters().dropped == 1);
  CHECK(plan.counters().corrupted == 0);
  CHECK(plan.counters().delayed == 0);
}

TEST_CASE("a fault lets the packets pass that it shall skip, and counts only those that match") {
  FaultPlan plan;
  CHECK(plan.add({.action = Action::kCorrupt, .to = 3, .skip = 2}));
  CHECK_FALSE(plan.strike(0, 3).has_value());
  CHECK_FALSE(plan.strike(0, 1).has_value());
  CHECK_FALSE(plan.strike(2, 3).has_value());
  CHECK(plan.strike(1, 3)->action == Action::kCorrupt);
  CHECK(plan.counters().corrupted == 1);
}

TEST_CASE("of several that match, the one that was added first") {
  FaultPlan plan;
  CHECK(plan.add({.action = Action::kDelay, .skip = 1, .delay = 7}));
  CHECK(plan.add({.action = Action::kDrop}));
  CHECK(plan.strike(0, 0)->action == Action::kDrop);  // the first one has let it pass
  const auto second = plan.strike(5, 6);
  REQUIRE(second.has_value());
  CHECK(second->action == Action::kDelay);
  CHECK(second->delay == 7);
  CHECK(plan.counters().delayed == 1);
}

TEST_CASE("there is a limit, and a plan can be forgotten") {
  FaultPlan plan;
  for (std::size_t i = 0; i < FaultPlan::kMostFaults; ++i) {
    CHECK(plan.add({.action = Action::kDrop}));
  }
  CHECK_FALSE(plan.add({.action = Action::kDrop}));
  CHECK(plan.faults().size() == FaultPlan::kMostFaults);
  plan.clear();
  CHECK(plan.empty());
  CHECK_FALSE(plan.strike(0, 0).has_value());
  CHECK(plan.counters().dropped == 0);
}
