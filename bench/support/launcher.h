// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Starts a nicsim of its own and the calling program as two processes attached to it, as vmmcrun
// would, but with each of the three where the plan says.
//
// Threads and processes
//   The caller has one thread. The children get $VMMC_SOCKET, $VMMC_RANK, $VMMC_SIZE, $VMMC_NODE,
//   $VMMC_PROCESS, and $VMMC_BENCH_PLACEMENT: a sentence for the report.
//
// What a crash at any instruction leaves behind
//   Nothing: the children die with their parent, and the socket has no name in the file system.
#pragma once

#include <string>
#include <vector>

#include "bench/support/placement.h"

namespace vmmc::bench {

// $VMMC_RANK is set: this process has been started as a rank, by run_two_ranks or by vmmcrun.
bool is_rank();

// The sentence of the launcher; another one if vmmcrun has started us.
std::string placement_of_this_run();

// Runs `arguments` (the program and its arguments) as two ranks and waits. 0 if both ended with 0.
// Otherwise, as soon as one of them or nicsim fails, ends the others and returns 1.
int run_two_ranks(const std::vector<std::string>& arguments, Placement placement);

}  // namespace vmmc::bench
