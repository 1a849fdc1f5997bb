// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/support/placement.h"

#include <sched.h>

#include <array>

namespace vmmc::bench {
namespace {

constexpr std::array<const char*, 3> kNames = {"none", "split", "spread"};

std::string describe_core(const char* who, int core) {
  return std::string(who) + (core == kAnywhere ? " anywhere" : " on core " + std::to_string(core));
}

}  // namespace

const char* placement_name(Placement placement) {
  return kNames[static_cast<std::size_t>(placement)];
}

std::optional<Placement> placement_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<Placement>(i);
  }
  return std::nullopt;
}

Placement default_placement(std::size_t cores) {
  if (cores >= 3) return Placement::kSpread;
  return cores == 2 ? Placement::kSplit : Placement::kNone;
}

CorePlan plan_cores(Placement placement, std::span<const int> cores) {
  if (cores.size() < 2) return {};
  switch (placement) {
    case Placement::kSplit:
      return {cores[0], {cores[1], cores[1]}};
    case Placement::kSpread:
      return {kAnywhere, {cores[0], cores[1]}};
    case Placement::kNone:
      break;
  }
  return {};
}

std::string describe_plan(Placement placement, const CorePlan& plan) {
  return std::string(placement_name(placement)) + ": " + describe_core("nicsim", plan.nicsim) +
         ", " + describe_core("process 0", plan.processes[0]) + ", " +
         describe_core("process 1", plan.processes[1]);
}

std::vector<int> allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(static_cast<unsigned>(core), &set)) cores.push_back(core);
  }
  return cores;
}

bool bind_to_core(int core) {
  if (core == kAnywhere) return true;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(core), &set);
  return ::sched_setaffinity(0, sizeof set, &set) == 0;
}

}  // namespace vmmc::bench
