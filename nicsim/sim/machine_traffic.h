// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Traffic through whole nodes: one process on each makes updates to the others, on average as many as the
// offered load asks for, and they go all the way: processor, network interface, backplane, incoming DMA
// engine. (traffic.h drives the backplane alone.)
//
// An update waits at its process for those before it, and its latency counts from the time at which it was
// made until its last byte is in memory. No bytes are moved.
//
// The same settings give the same result, bit for bit, on every machine. Memory: linear in the number of
// nodes; the processes share one table with a page of each node.
//
// Threads: one. Errors: problem_of() says in one line what is wrong with settings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "nicsim/model/parameters.h"
#include "nicsim/sim/traffic.h"
#include "nicsim/sim/traffic_pattern.h"

namespace vmmc::nicsim::sim {

struct MachineTrafficSettings {
  model::TimingModel model{};
  std::uint32_t rows = 1;
  std::uint32_t columns = 1;
  TrafficPattern pattern = TrafficPattern::kUniform;
  HotSpot hot_spot;                 // of the pattern kHotSpot
  bool automatic = false;           // stores to bound pages; else deliberate updates
  std::uint32_t update_bytes = 64;  // 4 to 4096, a multiple of 4
  double offered_mb_per_s = 1;      // of each node
  bool fixed_gaps = false;          // between updates of a node; else exponentially distributed
  std::uint64_t seed = 1;
  // The run ends when each node's updates have arrived, or at this time; 0: no such end. Or when
  // simulated time is over.
  std::uint64_t updates_per_node = 0;
  double duration_ns = 0;
};

struct MachineTrafficResult {
  double simulated_ns = 0;    // until the last update arrived, or the duration
  std::uint64_t updates = 0;  // that arrived
  std::uint64_t bytes = 0;    // of them
  double mb_per_s = 0;        // of all nodes
  double node_mb_per_s = 0;   // on average
  double latency_p50_ns = 0;
  double latency_p99_ns = 0;
  double latency_max_ns = 0;
  std::uint64_t packets = 0;
  std::uint64_t hops = 0;  // from router to router
  double blocked_ns = 0;   // that heads have waited in the backplane, in all
  std::uint64_t fifo_interrupts = 0;
  std::uint64_t most_fifo_bytes = 0;  // in any outgoing FIFO
  std::uint64_t events = 0;

  bool operator==(const MachineTrafficResult&) const = default;
};

std::optional<std::string> problem_of(const MachineTrafficSettings& settings);

// REQUIRES: problem_of() finds none.
MachineTrafficResult run_machine_traffic(const MachineTrafficSettings& settings,
                                         const TrafficProgress& progress = {});

// An object with the members "settings" (without the model) and "result", in one line.
std::string to_json(const MachineTrafficSettings& settings, const MachineTrafficResult& result);

}  // namespace vmmc::nicsim::sim
