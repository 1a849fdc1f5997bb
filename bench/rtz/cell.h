// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What is known of one contestant in one manner, in one condition, after some rounds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/rtz/round.h"
#include "bench/rtz/settings.h"
#include "platform/histogram.h"

namespace vmmc::bench {

struct Cell {
  Contestant contestant;
  Manner manner;
  platform::Histogram latency;
  platform::Histogram from_send;
  std::uint64_t lost = 0;
  std::uint64_t misses = 0;
  std::uint64_t own_misses = 0;
  std::string path;
  std::vector<double> medians;       // of each round, ns
  std::vector<std::uint64_t> awake;  // of each round, ns; see Outcome

  Cell(Contestant who, Manner how) : contestant(who), manner(how) {}
  void add(const Outcome& outcome);
  std::uint64_t median_awake() const;
  // Messages that were received later than that after they were due; within the histogram's 0.8 %.
  std::uint64_t later_than(std::uint64_t ns) const;
};

// What a cell is compared with: UDP in the same manner, from the same rounds.
struct Ratio {
  double median;  // of the rounds' ratios of medians
  double least;
  double most;
  double far;  // of the p99.99 of all rounds; 0 where they rest on too few samples
};
Ratio ratio_to(const Cell& cell, const Cell& udp);

}  // namespace vmmc::bench
