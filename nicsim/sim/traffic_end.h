// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// When a run of a traffic generator ends, and how far it is: what those of the backplane and of whole
// nodes have in common.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "nicsim/parts/event_queue.h"
#include "nicsim/sim/traffic_source.h"

namespace vmmc::nicsim::sim {

inline constexpr std::uint64_t kEventsBetweenProgress = 100'000;
// A day of simulated time is more than anybody waits for.
inline constexpr double kLongestDurationNs = 86400e9;

inline bool in_range(double value, double lowest, double highest) {
  return value >= lowest && value <= highest;  // a NaN is not
}

// `what` each node makes, e.g. "parcels": `most` of them, `gap_ns` apart, and for so long; 0: no such
// end. One line if there is no end to it, or one that is too far away.
inline std::optional<std::string> problem_of_end(const std::string& what, std::uint64_t most,
                                                 double gap_ns, double duration_ns) {
  if (most == 0 && duration_ns == 0)
    return "the run has no end: neither a duration nor a number of " + what;
  if (most > UINT32_MAX) return "more than 4294967295 " + what + " of each node";
  if (!in_range(duration_ns, 0, kLongestDurationNs))
    return "the duration is longer than a day, or negative";
  if (duration_ns == 0 && gap_ns * static_cast<double>(most) > kLongestDurationNs)
    return "at this load it takes a node longer than a day to make so many " + what;
  return {};
}

// The end of a run that has this duration; 0: at the latest when simulated time is over.
inline parts::Time end_of(double duration_ns) {
  return duration_ns > 0 ? parts::from_ns(duration_ns) : parts::kLastTime;
}

// 0 to 1. `arrived`: of all nodes.
inline double share_done(parts::Time now, const TrafficTimes& times, std::uint64_t arrived,
                         std::uint32_t nodes) {
  double share = static_cast<double>(now) / static_cast<double>(times.end);
  if (times.most != 0) {
    const double all = static_cast<double>(times.most) * nodes;
    share = std::max(share, static_cast<double>(arrived) / all);
  }
  return std::min(share, 1.0);
}

}  // namespace vmmc::nicsim::sim
