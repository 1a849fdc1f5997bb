// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/support/machine.h"

#include <doctest/doctest.h>

namespace vmmc::bench {
namespace {

TEST_CASE("facts are never empty") {
  const MachineFacts facts = read_machine_facts();
  CHECK_FALSE(facts.cpu_model.empty());
  CHECK(facts.cores > 0);
  CHECK_FALSE(facts.kernel.empty());
  CHECK_FALSE(facts.governor.empty());
  CHECK(facts.date.size() == 20);
}

TEST_CASE("the clock does not go back and the probe sees its cost") {
  const std::uint64_t before = now();
  const ClockProbe probe = probe_clock(5'000'000);
  CHECK(now() - before >= 5'000'000);
  CHECK(probe.read_cost > 0);
  CHECK(probe.longest_gap >= probe.read_cost);
}

TEST_CASE("the time of the cores only grows") {
  const CoreTime before = read_core_time();
  const CoreTime after = read_core_time();
  CHECK(before.total > 0);
  CHECK(after.total >= before.total);
  CHECK(after.stolen >= before.stolen);
}

}  // namespace
}  // namespace vmmc::bench
