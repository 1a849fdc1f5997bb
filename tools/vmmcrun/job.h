// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One parallel job, from the start of its nicsim to the end of its last process: the keeper's work.
#pragma once

#include "tools/vmmcrun/guard.h"
#include "tools/vmmcrun/options.h"

namespace vmmc::run {

// Runs the job; returns vmmcrun's exit code. To be called in a keeper, whose process must be a
// child subreaper and have no other children. When it returns, no process below it is left.
int run_job(const Options& options, const KeeperWiring& wiring);

}  // namespace vmmc::run
