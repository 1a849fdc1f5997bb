// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/pingpong/report.h"

#include <boost/json.hpp>
#include <cstdio>

#include "bench/support/json_lines.h"

namespace vmmc::bench {
namespace {

namespace json = boost::json;

// Bytes (or messages) per nanosecond at a percentile of the durations.
double per_nanosecond(std::uint64_t amount, const platform::Histogram& durations, double percent) {
  const std::uint64_t duration = durations.percentile(percent);
  return duration == 0 ? 0.0 : static_cast<double>(amount) / static_cast<double>(duration);
}

}  // namespace

std::string format_size(std::uint64_t bytes) {
  if (bytes >= 1024 * 1024 && bytes % (1024 * 1024) == 0) return std::to_string(bytes >> 20) + "Mi";
  if (bytes >= 1024 && bytes % 1024 == 0) return std::to_string(bytes >> 10) + "Ki";
  return std::to_string(bytes);
}

ExecutorWatch::ExecutorWatch() { must(vmmc_get_counters(&before_), "vmmc_get_counters"); }

std::string ExecutorWatch::used() const {
  vmmc_counters after{};
  must(vmmc_get_counters(&after), "vmmc_get_counters");
  const bool nic = after.nic_executor_sends > before_.nic_executor_sends;
  const bool host = after.host_executor_sends > before_.host_executor_sends;
  if (nic && host) return "nic and host";
  return nic ? "nic" : host ? "host" : "none";
}

Report::Report(const Options& options) : options_(options), at_start_(read_core_time()) {}

void Report::header(const std::string& placement, const ClockProbe& probe) {
  const MachineFacts facts = read_machine_facts();
  const char* wait = vmmc_wait_strategy_name(options_.wait);
  constexpr const char* kAsked[] = {"auto", "nic", "host"};  // by enum vmmc_executor
  const char* asked = kAsked[options_.executor];
  if (options_.json) {
    json::object line = machine_line(facts, probe);
    line["placement"] = placement;
    line["wait"] = wait;
    line["executor_asked"] = asked;
    return print_line(line);
  }
  std::printf("VMMC between two processes, %s\n", facts.date.c_str());
  std::printf("  machine    %s\n", describe_machine(facts).c_str());
  std::printf("  kernel     %s, governor %s\n", facts.kernel.c_str(), facts.governor.c_str());
  std::printf("  placement  %s\n", placement.c_str());
  std::printf("  waiting    %s; executor asked for: %s\n", wait, asked);
  std::printf("  host noise %s of reading the clock (%llu ns a look)\n",
              describe_stalls(probe).c_str(), static_cast<unsigned long long>(probe.read_cost));
  std::fflush(stdout);
}

void Report::begin_table(const char* name, const char* head) {
  if (table_ == name) return;
  table_ = name;
  std::printf("\n%s\n", head);
}

void Report::pingpong(std::uint64_t bytes, const platform::Histogram& round_trips,
                      const std::string& executor) {
  const int sends = SlotLayout{bytes}.is_word() ? 1 : 2;
  if (options_.json) {
    json::object line{{"type", "pingpong"},
                      {"bytes", bytes},
                      {"sends_per_message", sends},
                      {"executor", executor}};
    line["one_way"] = percentiles(round_trips, 2);
    print_line(line);
    return;
  }
  begin_table("pingpong",
              "Latency in us: half of the round trip. Messages over 8 bytes need a second send, of "
              "their flag.\n"
              "    size  sends      p50      p99    p99.9        max  samples  executor");
  std::printf(
      "%8s %6d %8s %8s %8s %10s %8llu  %s\n", format_size(bytes).c_str(), sends,
      percentile_text(round_trips, 50, 2).c_str(), percentile_text(round_trips, 99, 2).c_str(),
      percentile_text(round_trips, 99.9, 2).c_str(), percentile_text(round_trips, 100, 2).c_str(),
      static_cast<unsigned long long>(round_trips.count()), executor.c_str());
  std::fflush(stdout);
}

void Report::bandwidth(const BurstPlan& plan, const BurstResult& result,
                       const std::string& executor) {
  const std::uint64_t messages = plan.passes * plan.slots;
  const std::uint64_t amount = plan.bytes * messages;
  const double median = per_nanosecond(amount, result.bursts, 50);
  const double slow = per_nanosecond(amount, result.bursts, 90);
  const double copy = per_nanosecond(amount, result.copies, 50);
  if (options_.json) {
    print_line({{"type", "bandwidth"},
                {"bytes", plan.bytes},
                {"messages_per_burst", messages},
                {"window", plan.window},
                {"bursts", result.bursts.count()},
                {"p50_gb_per_s", median},
                {"slowest_tenth_gb_per_s", slow},
                {"memcpy_p50_gb_per_s", copy},
                {"ratio_to_memcpy", copy > 0 ? median / copy : 0.0},
                {"executor", executor}});
    return;
  }
  begin_table("bandwidth",
              "Bandwidth in GB/s (10^9), streaming with vmmc_send_start, beside memcpy by one core "
              "on the same terms.\n"
              "    size  messages   median  slow 10%   memcpy   ratio   bursts  executor");
  std::printf("%8s %9llu %8.2f %9.2f %8.2f %7.2f %8llu  %s\n", format_size(plan.bytes).c_str(),
              static_cast<unsigned long long>(messages), median, slow, copy,
              copy > 0 ? median / copy : 0.0,
              static_cast<unsigned long long>(result.bursts.count()), executor.c_str());
  std::fflush(stdout);
}

void Report::rate(const BurstPlan& plan, const BurstResult& result, const std::string& executor) {
  const double median = per_nanosecond(plan.slots, result.bursts, 50) * 1000.0;
  const double slow = per_nanosecond(plan.slots, result.bursts, 90) * 1000.0;
  if (options_.json) {
    print_line({{"type", "rate"},
                {"bytes", plan.bytes},
                {"messages_per_burst", plan.slots},
                {"bursts", result.bursts.count()},
                {"p50_million_per_s", median},
                {"slowest_tenth_million_per_s", slow},
                {"executor", executor}});
    return;
  }
  std::printf(
      "\nMessage rate, %llu bytes by vmmc_send: median %.2f million per second, slow 10%% %.2f "
      "(%llu bursts of %llu, %s)\n",
      static_cast<unsigned long long>(plan.bytes), median, slow,
      static_cast<unsigned long long>(result.bursts.count()),
      static_cast<unsigned long long>(plan.slots), executor.c_str());
  std::fflush(stdout);
}

void Report::fixed_rate(std::uint64_t bytes, std::uint64_t count, const FixedRateResult& result,
                        const std::string& executor) {
  const double achieved = static_cast<double>(count) * 1e9 / static_cast<double>(result.duration);
  if (options_.json) {
    json::object line{{"type", "fixed-rate"},
                      {"bytes", bytes},
                      {"wanted_per_s", options_.rate},
                      {"achieved_per_s", achieved},
                      {"executor", executor}};
    line["latency_from_due_time"] = percentiles(result.latency, 1);
    line["sent_late_by"] = percentiles(result.lateness, 1);
    print_line(line);
    return;
  }
  begin_table("fixed-rate",
              "Open loop: latency in us from the time when a message was due, so that stalls "
              "count; one way.\n"
              "    size  wanted/s  achieved      p50      p99    p99.9        max  executor");
  std::printf("%8s %9llu %9.0f %8s %8s %8s %10s  %s\n", format_size(bytes).c_str(),
              static_cast<unsigned long long>(options_.rate), achieved,
              percentile_text(result.latency, 50, 1).c_str(),
              percentile_text(result.latency, 99, 1).c_str(),
              percentile_text(result.latency, 99.9, 1).c_str(),
              percentile_text(result.latency, 100, 1).c_str(), executor.c_str());
  std::printf("%28s %8s %8s %8s %10s  of which the sender was late\n", "",
              percentile_text(result.lateness, 50, 1).c_str(),
              percentile_text(result.lateness, 99, 1).c_str(),
              percentile_text(result.lateness, 99.9, 1).c_str(),
              percentile_text(result.lateness, 100, 1).c_str());
  std::fflush(stdout);
}

void Report::footer() {
  const double percent = stolen_percent(at_start_, read_core_time());
  if (options_.json) {
    print_line(
        {{"type", "end"}, {"stolen_percent", percent}, {"checked", "every byte of every message"}});
    return;
  }
  std::printf(
      "\nEvery byte of every message was checked. The hypervisor took %.1f %% of the cores' "
      "time.\n",
      percent);
}

}  // namespace vmmc::bench
