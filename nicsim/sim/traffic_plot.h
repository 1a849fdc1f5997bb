// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A drawing of traffic over a range of what is offered.
#pragma once

#include <span>
#include <string>

namespace vmmc::nicsim::sim {

// Of one run, whatever the traffic goes through.
struct TrafficPoint {
  double offered;  // in a unit of the caller's
  double mb_per_s;
  double node_mb_per_s;
  double latency_p50_ns;
  double latency_p99_ns;
  double latency_max_ns;
};

// An SVG document: over what is offered, latency (median and 99 of 100) and what each node gets through.
// REQUIRES: at least one point, in the order of what is offered.
std::string plot_traffic(std::span<const TrafficPoint> points, const std::string& title,
                         const std::string& offered);

}  // namespace vmmc::nicsim::sim
