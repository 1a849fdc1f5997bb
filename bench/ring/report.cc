// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/ring/report.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "bench/support/json_lines.h"

namespace vmmc::bench {
namespace {

namespace json = boost::json;

json::object spread_object(const std::vector<double>& values) {
  const Spread spread = spread_of(values);
  return {{"median", spread.median}, {"least", spread.least}, {"most", spread.most}};
}

void add_calls(json::object& line, const std::optional<CallsOfFrame>& receiver,
               const std::optional<CallsOfFrame>& nicsim) {
  const auto add = [&](const char* name, const auto& calls, double CallsOfFrame::*kind) {
    line[name] = calls ? json::value((*calls).*kind) : json::value(nullptr);
  };
  add("receiver_calls_per_frame", receiver, &CallsOfFrame::all);
  add("receiver_yields_per_frame", receiver, &CallsOfFrame::yields);
  add("nicsim_calls_per_frame", nicsim, &CallsOfFrame::all);
  add("nicsim_yields_per_frame", nicsim, &CallsOfFrame::yields);
}

std::string calls_text(const std::optional<CallsOfFrame>& calls) {
  if (!calls) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.5f", calls->all);
  return text;
}

// "12.34 (11.00-13.00)"
std::string spread_text(const std::vector<double>& values, double unit, int digits) {
  const Spread spread = spread_of(values);
  char text[64];
  std::snprintf(text, sizeof text, "%.*f (%.*f-%.*f)", digits, spread.median / unit, digits,
                spread.least / unit, digits, spread.most / unit);
  return text;
}

std::string ratio_text(const std::vector<double>& ratios) {
  return ratios.empty() ? "-" : spread_text(ratios, 1, 2);
}

double median_of(const std::vector<double>& values) { return spread_of(values).median; }

}  // namespace

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

void Report::header(const ClockProbe& probe) const {
  const MachineFacts facts = read_machine_facts();
  if (settings_.json) {
    json::object line = machine_line(facts, probe);
    line["rounds"] = settings_.rounds;
    return print_line(line);
  }
  std::printf("Reception of frames, %s\n", facts.date.c_str());
  std::printf("  machine    %s\n", describe_machine(facts).c_str());
  std::printf("  kernel     %s\n", facts.kernel.c_str());
  std::printf("  rounds     %llu, of all contestants in turn; medians (least-most)\n",
              static_cast<unsigned long long>(settings_.rounds));
  std::printf("  host noise %s\n", describe_stalls(probe).c_str());
  std::fflush(stdout);
}

void Report::progress(const std::string& what) const {
  std::fprintf(stderr, "  ... %s\n", what.c_str());
}

void Report::file(std::uint32_t bytes, std::uint64_t frames,
                  std::span<const FileSummary> lines) const {
  if (!settings_.json) {
    std::printf(
        "\nFile of %llu frames of %u B, as fast as it goes\n%-8s %-10s %25s %10s %10s %22s"
        "  copies of a frame\n",
        static_cast<unsigned long long>(frames), bytes, "", "", "million frames/s", "CPU ns",
        "nicsim ns", "system calls, nicsim's");
  }
  for (const FileSummary& line : lines) {
    const char* name = contestant_name(line.contestant);
    const char* copies = copies_of(line.contestant, true);
    if (settings_.json) {
      json::object object{{"type", "file"},
                          {"bytes", bytes},
                          {"frames", frames},
                          {"contestant", name},
                          {"cores", line.cores},
                          {"frames_per_s", spread_object(line.frames_per_s)},
                          {"receiver_ns_per_frame", spread_object(line.receiver_ns)},
                          {"nicsim_ns_per_frame", spread_object(line.nicsim_ns)},
                          {"copies", copies}};
      add_calls(object, line.receiver_calls, line.nicsim_calls);
      print_line(object);
      continue;
    }
    std::printf("%-8s %-10s %25s %10.1f %10.1f %12s %9s  %s\n", name, line.cores.c_str(),
                spread_text(line.frames_per_s, 1e6, 2).c_str(), median_of(line.receiver_ns),
                median_of(line.nicsim_ns), calls_text(line.receiver_calls).c_str(),
                calls_text(line.nicsim_calls).c_str(), copies);
  }
  std::fflush(stdout);
}

void Report::live(std::uint32_t bytes, std::span<const LiveSummary> lines) const {
  if (!settings_.json) {
    std::printf(
        "\nInterface, frames of %u B: highest rate without loss; costs at %llu frames/s\n"
        "%-8s %27s %18s %8s %10s %10s %22s  copies of a frame\n",
        bytes, static_cast<unsigned long long>(settings_.common_rate), "", "thousand frames/s",
        "beside libpcap", "CPU ns", "nicsim ns", "sender ns", "system calls, nicsim's");
  }
  for (const LiveSummary& line : lines) {
    if (settings_.json) {
      live_json(bytes, line);
      continue;
    }
    std::printf("%-8s %s%26s %18s %8.0f %10.0f %10.0f %12s %9s  %s\n",
                contestant_name(line.contestant), line.sender_was_the_limit ? ">" : " ",
                spread_text(line.loss_free, 1e3, 0).c_str(), ratio_text(line.beside_pcap).c_str(),
                median_of(line.receiver_ns), median_of(line.nicsim_ns), median_of(line.sender_ns),
                calls_text(line.receiver_calls).c_str(), calls_text(line.nicsim_calls).c_str(),
                copies_of(line.contestant, false));
  }
  std::fflush(stdout);
}

void Report::live_json(std::uint32_t bytes, const LiveSummary& line) const {
  json::object object{
      {"type", "live"},
      {"bytes", bytes},
      {"contestant", contestant_name(line.contestant)},
      {"loss_free_frames_per_s", spread_object(line.loss_free)},
      {"sender_was_the_limit", line.sender_was_the_limit},
      {"beside_libpcap",
       line.beside_pcap.empty() ? json::value(nullptr) : spread_object(line.beside_pcap)},
      {"common_rate", settings_.common_rate},
      {"receiver_ns_per_frame", spread_object(line.receiver_ns)},
      {"nicsim_ns_per_frame", spread_object(line.nicsim_ns)},
      {"sender_ns_per_frame", spread_object(line.sender_ns)},
      {"copies", copies_of(line.contestant, false)}};
  add_calls(object, line.receiver_calls, line.nicsim_calls);
  print_line(object);
}

void Report::skipped(const std::string& what, const std::string& why) const {
  if (settings_.json) return print_line({{"type", "skipped"}, {"what", what}, {"why", why}});
  std::printf("\nNot measured: %s: %s\n", what.c_str(), why.c_str());
}

void Report::footer() const {
  const double stolen = stolen_percent(at_start_, read_core_time());
  if (settings_.json)
    return print_line({{"type", "end"}, {"stolen_percent", stolen}, {"checked", "every frame"}});
  std::printf("\nEvery frame was accounted for. The hypervisor took %.1f %% of the cores' time.\n",
              stolen);
}

}  // namespace vmmc::bench
