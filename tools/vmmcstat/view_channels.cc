// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Real-time channels, a line each.

#include "tools/vmmcstat/table.h"
#include "tools/vmmcstat/view_values.h"
#include "tools/vmmcstat/views.h"

namespace vmmc::stat {
namespace {

namespace json = boost::json;

// "10 x 64 in 1.00 ms": messages of so many bytes in a period.
std::string budget_text(const json::object& budget) {
  return text(budget.at("messages")) + " x " + text(budget.at("longest")) + " in " +
         duration(number(budget, "period_ns"));
}

}  // namespace

std::vector<std::string> draw_channels(const json::object& snapshot) {
  const json::array& channels = list(snapshot, "real_time_channels");
  if (channels.empty()) return {"No real-time channel is open."};
  Table table({"receiver", "channel", "sender", "<state", "<executor", "depth", "budget",
               "deadline", "sent", "received", "lost", "refused", "late", "50 %", "99 %",
               "longest"});
  for (const json::value& each : channels) {
    const json::object& channel = each.as_object();
    const json::object& budget = channel.at("budget").as_object();
    const json::object& counts = channel.at("counts").as_object();
    const json::object& latency = channel.at("latency").as_object();
    const auto count = [&](const char* name) {
      return short_number(counts.at(name).to_number<double>());
    };
    const auto ns = [&](const char* name) { return duration(number(latency, name)); };
    const double refused = counts.at("refused").to_number<double>() +
                           counts.at("over_budget").to_number<double>() +
                           counts.at("without_page").to_number<double>();
    table.add({process_text(channel.at("receiver")), text(channel.at("channel")),
               process_text(channel.at("sender")), text(channel.at("state")),
               text(channel.at("executor")), text(channel.at("depth")), budget_text(budget),
               duration(number(budget, "deadline_ns")), count("sent"), count("received"),
               count("lost"), short_number(refused), count("deadline_misses"), ns("p50_ns"),
               ns("p99_ns"), ns("max_ns")});
  }
  return table.lines();
}

}  // namespace vmmc::stat
