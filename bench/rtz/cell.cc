// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/rtz/cell.h"

#include <algorithm>
#include <numeric>

namespace vmmc::bench {

void Cell::add(const Outcome& outcome) {
  platform::Histogram round;
  outcome.latency.merge_into(round);
  outcome.latency.merge_into(latency);
  outcome.from_send.merge_into(from_send);
  lost += outcome.lost;
  misses += outcome.misses;
  own_misses += outcome.own_misses;
  medians.push_back(static_cast<double>(round.percentile(50)));
  awake.push_back(outcome.awake);
  const std::string by = outcome.path;
  if (path.find(by) == std::string::npos) path += (path.empty() ? "" : "+") + by;
}

std::uint64_t Cell::median_awake() const {
  std::vector<std::uint64_t> sorted = awake;
  std::sort(sorted.begin(), sorted.end());
  return sorted.empty() ? 0 : sorted[sorted.size() / 2];
}

std::uint64_t Cell::later_than(std::uint64_t ns) const {
  const auto first = platform::Histogram::bucket_of(ns) + 1;
  const auto counts = latency.counts().subspan(first);
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

Ratio ratio_to(const Cell& cell, const Cell& udp) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(cell.medians.size(), udp.medians.size()); ++i)
    if (udp.medians[i] > 0) ratios.push_back(cell.medians[i] / udp.medians[i]);
  if (ratios.empty()) return {};
  std::sort(ratios.begin(), ratios.end());
  Ratio ratio{ratios[ratios.size() / 2], ratios.front(), ratios.back(), 0};
  if (cell.latency.resolves(99.99) && udp.latency.resolves(99.99)) {
    ratio.far = static_cast<double>(cell.latency.percentile(99.99)) /
                static_cast<double>(udp.latency.percentile(99.99));
  }
  return ratio;
}

}  // namespace vmmc::bench
