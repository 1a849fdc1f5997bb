// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// OpenMetrics text of a snapshot: what vmmcstat --openmetrics prints, and nicsim's HTTP port serves. Each
// process is known by the labels node and process. The last line is "# EOF".
//
// Latencies are histograms with limits that never change, from 100 ns to 10 s; each is exact to the width of
// the snapshot's buckets (0.8 %). Real and simulated durations are both in seconds.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace vmmc::nicsim {

// REQUIRES: a snapshot of version 1.
std::string to_open_metrics(const boost::json::object& snapshot);

}  // namespace vmmc::nicsim
