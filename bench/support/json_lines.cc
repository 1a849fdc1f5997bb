// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/support/json_lines.h"

#include <cstdio>
#include <utility>

namespace vmmc::bench {

void print_line(const boost::json::object& line) {
  std::printf("%s\n", boost::json::serialize(line).c_str());
  std::fflush(stdout);
}

boost::json::object machine_line(const MachineFacts& facts, const ClockProbe& probe) {
  return {{"type", "machine"},
          {"date", facts.date},
          {"cpu", facts.cpu_model},
          {"cores", facts.cores},
          {"virtual_machine", facts.virtual_machine},
          {"kernel", facts.kernel},
          {"governor", facts.governor},
          {"clock_read_ns", probe.read_cost},
          {"longest_stall_ns", probe.longest_gap},
          {"stalls_over_10us", probe.gaps},
          {"stall_probe_ns", probe.duration}};
}

boost::json::object percentiles(const platform::Histogram& histogram, std::uint64_t divisor) {
  boost::json::object result{{"samples", histogram.count()},
                             {"min_ns", histogram.min() / divisor},
                             {"max_ns", histogram.max() / divisor}};
  for (const auto& [name, percent] : {std::pair{"p50_ns", 50.0}, std::pair{"p99_ns", 99.0},
                                      std::pair{"p99.9_ns", 99.9}, std::pair{"p99.99_ns", 99.99}}) {
    result[name] = nullptr;
    if (percent <= 50 || histogram.resolves(percent)) {
      result[name] = histogram.percentile(percent) / divisor;
    }
  }
  return result;
}

std::string percentile_text(const platform::Histogram& histogram, double percent, double divisor) {
  if (percent > 50 && percent < 100 && !histogram.resolves(percent)) return "-";
  const auto value =
      static_cast<double>(percent < 100 ? histogram.percentile(percent) : histogram.max());
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value / divisor / 1000.0);
  return text;
}

}  // namespace vmmc::bench
