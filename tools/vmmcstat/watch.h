// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The refreshing view: until somebody presses q or nicsim ends.
#pragma once

#include <optional>

#include "tools/vmmcstat/exit_code.h"
#include "tools/vmmcstat/nicsim_connection.h"
#include "tools/vmmcstat/options.h"

namespace vmmc::stat {

inline constexpr std::chrono::seconds kUsualInterval{1};

std::optional<Failure> watch(NicsimConnection& nicsim, const Options& options);

}  // namespace vmmc::stat
