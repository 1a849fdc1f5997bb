// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which nicsim a job starts, and how.
#pragma once

#include <string>
#include <vector>

#include "tools/vmmcrun/options.h"

namespace vmmc::run {

// A name in the abstract socket namespace that nobody else can have chosen: 128 random bits.
std::string random_socket_name();

// The first of: --nicsim, $VMMC_NICSIM, nicsim beside vmmcrun, where Bazel builds it, nicsim in
// $PATH (returned as the plain word).
std::string find_nicsim(const Options& options);

// nicsim writes one byte to `ready_fd` when it listens.
std::vector<std::string> nicsim_command(const Options& options, const std::string& socket,
                                        int ready_fd);

}  // namespace vmmc::run
