// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How results are written down: for programs one JSON object per line, each with a member "type"; for people a
// dash where a percentile rests on too few samples to mean anything. Histograms are of ns.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>

#include "bench/support/machine.h"
#include "platform/histogram.h"

namespace vmmc::bench {

void print_line(const boost::json::object& line);

// The line of type "machine", for the program to add to.
boost::json::object machine_line(const MachineFacts& facts, const ClockProbe& probe);

// min, p50, p99, p99.9, p99.99, max, each divided; null where the samples are too few.
boost::json::object percentiles(const platform::Histogram& histogram, std::uint64_t divisor = 1);

// Microseconds, divided.
std::string percentile_text(const platform::Histogram& histogram, double percent,
                            double divisor = 1);

}  // namespace vmmc::bench
