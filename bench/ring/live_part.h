// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Frames of a veth pair, read by ring and libpcap, and of a tap, read by read().
#pragma once

#include "bench/ring/report.h"
#include "bench/ring/settings.h"

namespace vmmc::bench {

// Moves the calling process into a network namespace of its own, for good.
void measure_interfaces(const Settings& settings, const Report& report, bool count_calls);

}  // namespace vmmc::bench
