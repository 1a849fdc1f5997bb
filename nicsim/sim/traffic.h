// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Traffic generators: they drive a backplane alone, without network interfaces, to see what it carries.
//
// Each node makes parcels of one size, on average as many as the offered load asks for, whatever
// becomes of them (an open loop): one that cannot enter the backplane waits at its node for those
// before it, and its latency counts from the time at which it was made until its last byte has arrived.
// A node takes parcels into a FIFO, which it empties at receive_mb_per_s.
//
// The same settings give the same result, bit for bit, on every machine. Memory: linear in the number of
// nodes (waiting parcels are not kept: their times can be computed one after the other).
//
// Threads: one. Errors: problem_of() says in one line what is wrong with settings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "nicsim/model/parameters.h"
#include "nicsim/sim/traffic_pattern.h"

namespace vmmc::nicsim::sim {

struct TrafficSettings {
  model::BackplaneParameters backplane;
  std::uint32_t rows = 1;
  std::uint32_t columns = 1;
  TrafficPattern pattern = TrafficPattern::kUniform;
  HotSpot hot_spot;                 // of the pattern kHotSpot
  std::uint32_t parcel_bytes = 64;  // with header
  double offered_load = 0.3;        // of each node, as a share of a link's bandwidth
  bool fixed_gaps = false;          // between parcels of a node; else exponentially distributed
  double receive_mb_per_s = 0;      // of each node; 0: no limit
  std::uint64_t receive_fifo_bytes = 4096;
  std::uint64_t seed = 1;
  // The run ends when each node's parcels have arrived, or at this time; 0: no such end. Or when
  // simulated time is over.
  std::uint64_t parcels_per_node = 0;
  double duration_ns = 0;
};

struct TrafficResult {
  double simulated_ns = 0;    // until the last parcel arrived, or the duration
  std::uint64_t parcels = 0;  // that arrived
  std::uint64_t bytes = 0;    // of them
  double mb_per_s = 0;        // of all nodes
  double node_mb_per_s = 0;   // on average
  double latency_p50_ns = 0;
  double latency_p99_ns = 0;
  double latency_max_ns = 0;
  std::uint64_t hops = 0;  // from router to router
  double blocked_ns = 0;   // that heads have waited, in all
  std::uint64_t events = 0;
  std::size_t backplane_bytes = 0;  // of memory

  bool operator==(const TrafficResult&) const = default;
};

// One line, without a full stop; none if these settings can be run.
std::optional<std::string> problem_of(const TrafficSettings& settings);

// The share that is done, 0 to 1; never less than the last time. About every 100,000 events.
using TrafficProgress = std::function<void(double share)>;

// REQUIRES: problem_of() finds none.
TrafficResult run_traffic(const TrafficSettings& settings, const TrafficProgress& progress = {});

// An object with the members "settings" and "result", in one line.
std::string to_json(const TrafficSettings& settings, const TrafficResult& result);

}  // namespace vmmc::nicsim::sim
