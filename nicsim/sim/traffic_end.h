// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The course of a run of a traffic generator, its end, and what came of it: what those of the backplane
// and of whole nodes have in common.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "nicsim/parts/backplane_port.h"
#include "nicsim/parts/event_queue.h"
#include "nicsim/sim/traffic_latencies.h"
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

// Carries out all events up to the end. arrived(): how many have, of all nodes; progress(share) may be
// empty.
template <typename Progress, typename Arrived>
void run_events(parts::EventQueue& queue, const TrafficTimes& times, std::uint32_t nodes,
                const Progress& progress, Arrived arrived) {
  while (!queue.empty() && queue.next() <= times.end) {
    queue.step();
    if (progress && queue.executed() % kEventsBetweenProgress == 0) {
      progress(share_done(queue.now(), times, arrived(), nodes));
    }
  }
  if (progress) progress(1);
}

// What has arrived in a run that is over, each of so many bytes.
struct TrafficArrivals {
  std::uint64_t count;
  std::uint64_t bytes_of_each;
  parts::Time last;
  const TrafficLatencies& latencies;  // picoseconds
};

// Fills the members of a result that every kind of traffic has.
template <typename Result>
void fill_common(Result& result, const TrafficArrivals& arrived, const TrafficTimes& times,
                 std::uint32_t nodes, const parts::BackplanePort::Counters& backplane,
                 const parts::EventQueue& queue) {
  const bool all_arrived = times.most != 0 && arrived.count == times.most * nodes;
  result.simulated_ns = parts::to_ns(all_arrived ? arrived.last : times.end);
  result.bytes = arrived.count * arrived.bytes_of_each;
  result.mb_per_s = static_cast<double>(result.bytes) * 1e3 / result.simulated_ns;
  result.node_mb_per_s = result.mb_per_s / nodes;
  result.latency_p50_ns = parts::to_ns(arrived.latencies.percentile(50));
  result.latency_p99_ns = parts::to_ns(arrived.latencies.percentile(99));
  result.latency_max_ns = parts::to_ns(arrived.latencies.max());
  result.hops = backplane.hops;
  result.blocked_ns = parts::to_ns(backplane.blocked_ps);
  result.events = queue.executed();
}

}  // namespace vmmc::nicsim::sim
