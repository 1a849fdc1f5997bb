// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which core runs what. A measurement that does not say this cannot be repeated.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vmmc::bench {

enum class Placement {
  kNone,    // the kernel decides
  kSplit,   // nicsim has a core of its own, both processes share another
  kSpread,  // each process has a core of its own, nicsim goes where it likes
};

inline constexpr int kAnywhere = -1;

// Core numbers as the kernel counts them, or kAnywhere.
struct CorePlan {
  int nicsim = kAnywhere;
  int processes[2] = {kAnywhere, kAnywhere};
};

const char* placement_name(Placement placement);
std::optional<Placement> placement_from_name(std::string_view name);

// spread with three cores or more, split with two, none with one.
Placement default_placement(std::size_t cores);

// Places on the given cores, which are those that we may use. One core: everything anywhere,
// whatever was asked for.
CorePlan plan_cores(Placement placement, std::span<const int> cores);

// "split: nicsim on core 0, process 0 on core 1, process 1 on core 1".
std::string describe_plan(Placement placement, const CorePlan& plan);

// The cores that this process may use, in ascending order.
std::vector<int> allowed_cores();

// Binds the calling thread, and what it forks, to a core. Does nothing for kAnywhere. False if the
// kernel refuses.
bool bind_to_core(int core);

}  // namespace vmmc::bench
