// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How long operations take: percentiles, and a histogram with a line for each doubling.

#include <algorithm>
#include <bit>
#include <map>

#include "tools/vmmcstat/table.h"
#include "tools/vmmcstat/view_values.h"
#include "tools/vmmcstat/views.h"

namespace vmmc::stat {
namespace {

namespace json = boost::json;
using Lines = std::vector<std::string>;

constexpr std::uint64_t kWidestBar = 40;

Lines histogram(const json::object& latency) {
  std::map<int, std::uint64_t> doublings;  // by the bits of the number
  for (const json::value& each : list(latency, "buckets")) {
    const json::array& bucket = each.as_array();
    doublings[static_cast<int>(std::bit_width(bucket.at(0).to_number<std::uint64_t>()))] +=
        bucket.at(1).to_number<std::uint64_t>();
  }
  if (doublings.empty()) return {};
  std::uint64_t most = 0;
  for (const auto& [bits, count] : doublings) most = std::max(most, count);
  Table table({"below", "operations", "<"});
  for (int bits = doublings.begin()->first; bits <= doublings.rbegin()->first; ++bits) {
    const auto found = doublings.find(bits);
    const std::uint64_t count = found == doublings.end() ? 0 : found->second;
    const double share = static_cast<double>(count) / static_cast<double>(most);
    auto bar = static_cast<std::size_t>(share * static_cast<double>(kWidestBar));
    if (count > 0) bar = std::max<std::size_t>(bar, 1);
    const std::uint64_t limit = bits < 64 ? std::uint64_t{1} << bits : UINT64_MAX;
    table.add({duration(limit), std::to_string(count), std::string(bar, '#')});
  }
  return table.lines();
}

}  // namespace

Lines draw_latencies(const json::object& snapshot) {
  const json::array& latencies = list(snapshot, "latencies");
  if (latencies.empty()) return {"No operation has been measured."};
  Table table({"<operation", "measured", "50 %", "90 %", "99 %", "99.9 %", "longest"});
  for (const json::value& each : latencies) {
    const json::object& latency = each.as_object();
    const auto ns = [&](const char* member) { return duration(number(latency, member)); };
    table.add({text(latency.at("operation")), text(latency.at("count")), ns("p50_ns"), ns("p90_ns"),
               ns("p99_ns"), ns("p99_9_ns"), ns("max_ns")});
  }
  Lines lines = table.lines();
  for (const json::value& each : latencies) {
    lines.push_back("");
    lines.push_back(text(each.as_object().at("operation")) + ":");
    for (std::string& line : histogram(each.as_object())) lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace vmmc::stat
