// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/support/placement.h"

#include <doctest/doctest.h>

#include <array>

namespace vmmc::bench {
namespace {

TEST_CASE("names go there and back") {
  for (const Placement placement : {Placement::kNone, Placement::kSplit, Placement::kSpread}) {
    CHECK(placement_from_name(placement_name(placement)) == placement);
  }
  CHECK_FALSE(placement_from_name("sideways"));
}

TEST_CASE("the default follows the number of cores") {
  CHECK(default_placement(1) == Placement::kNone);
  CHECK(default_placement(2) == Placement::kSplit);
  CHECK(default_placement(3) == Placement::kSpread);
}

TEST_CASE("plans use the cores that we may use, not those numbered from 0") {
  constexpr std::array kCores = {4, 6, 7};
  const CorePlan split = plan_cores(Placement::kSplit, kCores);
  CHECK(split.nicsim == 4);
  CHECK(split.processes[0] == 6);
  CHECK(split.processes[1] == 6);
  const CorePlan spread = plan_cores(Placement::kSpread, kCores);
  CHECK(spread.nicsim == kAnywhere);
  CHECK(spread.processes[0] == 4);
  CHECK(spread.processes[1] == 6);
  CHECK(describe_plan(Placement::kSpread, spread) ==
        "spread: nicsim anywhere, process 0 on core 4, process 1 on core 6");
}

TEST_CASE("one core leaves nothing to place") {
  constexpr std::array kCores = {3};
  CHECK(plan_cores(Placement::kSplit, kCores).nicsim == kAnywhere);
  CHECK(plan_cores(Placement::kSpread, kCores).processes[1] == kAnywhere);
}

TEST_CASE("a thread can be bound to each core that it may use") {
  const auto cores = allowed_cores();
  REQUIRE_FALSE(cores.empty());
  CHECK(bind_to_core(kAnywhere));
  CHECK(bind_to_core(cores.back()));
  CHECK(allowed_cores() == std::vector<int>{cores.back()});
}

}  // namespace
}  // namespace vmmc::bench
