// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Capture files, read as fast as it goes: ring (nicsim and receiver on one core, and on two) and
// libpcap.
#pragma once

#include "bench/ring/report.h"
#include "bench/ring/settings.h"

namespace vmmc::bench {

// `count_calls`: strace is there.
void measure_files(const Settings& settings, const Report& report, bool count_calls);

}  // namespace vmmc::bench
