// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <boost/json.hpp>
#include <cstdio>

#include "nicsim/sim/replay.h"

namespace vmmc::nicsim::sim {
namespace {

constexpr double kNanosecondsPerMicrosecond = 1000;

std::string line(const char* who, double recorded, double simulated, const std::string& parts,
                 std::uint64_t messages, std::uint64_t bytes) {
  char text[256];
  std::snprintf(text, sizeof text, "%-16s %14.1f %14.1f %s %12llu %14llu\n", who,
                recorded / kNanosecondsPerMicrosecond, simulated / kNanosecondsPerMicrosecond,
                parts.c_str(), static_cast<unsigned long long>(messages),
                static_cast<unsigned long long>(bytes));
  return text;
}

std::string parts_of(const ReplayedProcess& process) {
  char text[64];
  std::snprintf(text, sizeof text, "%12.1f %12.1f %12.1f",
                process.work_ns / kNanosecondsPerMicrosecond,
                process.sending_ns / kNanosecondsPerMicrosecond,
                process.waiting_ns / kNanosecondsPerMicrosecond);
  return text;
}

}  // namespace

std::string to_json(const ReplayResult& result, const std::string& model_name) {
  namespace json = boost::json;
  json::array processes;
  for (const ReplayedProcess& process : result.processes) {
    processes.push_back(json::object{{"node", process.node},
                                     {"process", process.id},
                                     {"recorded_ns", process.recorded_ns},
                                     {"simulated_ns", process.simulated_ns},
                                     {"work_ns", process.work_ns},
                                     {"sending_ns", process.sending_ns},
                                     {"waiting_ns", process.waiting_ns},
                                     {"messages", process.messages},
                                     {"bytes", process.bytes}});
  }
  return json::serialize(json::object{{"model", model_name},
                                      {"recorded_ns", result.recorded_ns},
                                      {"simulated_ns", result.simulated_ns},
                                      {"messages", result.messages},
                                      {"bytes", result.bytes},
                                      {"packets", result.packets},
                                      {"refused", result.refused},
                                      {"waits_without_transfer", result.waits_without_transfer},
                                      {"lost_marks", result.lost_marks},
                                      {"cut_off", !result.cut_off.empty()},
                                      {"processes", std::move(processes)}});
}

std::string to_table(const ReplayResult& result, const std::string& model_name) {
  char head[256];
  std::snprintf(head, sizeof head, "%-16s %14s %14s %12s %12s %12s %12s %14s\n", "us", "recorded",
                model_name.c_str(), "own work", "sending", "waiting", "messages", "bytes");
  std::string text = head;
  for (const ReplayedProcess& process : result.processes) {
    const std::string who =
        "process " + std::to_string(process.id) + " @" + std::to_string(process.node);
    text += line(who.c_str(), process.recorded_ns, process.simulated_ns, parts_of(process),
                 process.messages, process.bytes);
  }
  text += line("all", result.recorded_ns, result.simulated_ns, std::string(38, ' '),
               result.messages, result.bytes);
  text += std::to_string(result.packets) + " packets";
  if (result.refused > 0) text += ", " + std::to_string(result.refused) + " operations refused";
  if (result.waits_without_transfer > 0) {
    text += ", " + std::to_string(result.waits_without_transfer) +
            " waits that no recorded transfer ended";
  }
  if (result.lost_marks > 0) {
    text += ", " + std::to_string(result.lost_marks) +
            " waits or handlers not recorded: their queue was full";
  }
  return text + "\n";
}

}  // namespace vmmc::nicsim::sim
