// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tools/vmmcstat/rates.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <tuple>

namespace vmmc::stat {
namespace {

namespace json = boost::json;

// A process that has left and come again is another one, which its pid tells, and its counters.
using Name = std::tuple<std::uint64_t, std::uint64_t, std::int64_t>;

Name name_of(const json::object& process) {
  return {process.at("node").to_number<std::uint64_t>(),
          process.at("process").to_number<std::uint64_t>(),
          process.at("pid").to_number<std::int64_t>()};
}

double seconds_between(const json::object& before, const json::object& after) {
  const auto uptime = [](const json::object& snapshot) {
    return snapshot.at("nicsim").as_object().at("uptime_ns").to_number<double>();
  };
  constexpr double kLeast = 1e-6;
  return std::max((uptime(after) - uptime(before)) * 1e-9, kLeast);
}

}  // namespace

json::object rates_of(const json::object& before, const json::object& after) {
  const double seconds = seconds_between(before, after);
  std::map<Name, const json::object*> earlier;
  for (const json::value& each : before.at("processes").as_array()) {
    earlier[name_of(each.as_object())] = &each.as_object().at("counters").as_object();
  }
  json::array processes;
  for (const json::value& each : after.at("processes").as_array()) {
    const json::object& process = each.as_object();
    const auto found = earlier.find(name_of(process));
    if (found == earlier.end()) continue;
    json::object rates{{"node", process.at("node")}, {"process", process.at("process")}};
    for (const auto& [name, value] : process.at("counters").as_object()) {
      const auto now = value.to_number<std::uint64_t>();
      const auto then = found->second->at(name).to_number<std::uint64_t>();
      rates[name] = static_cast<double>(now - std::min(now, then)) / seconds;
    }
    processes.push_back(std::move(rates));
  }
  return {{"seconds", seconds}, {"processes", std::move(processes)}};
}

}  // namespace vmmc::stat
