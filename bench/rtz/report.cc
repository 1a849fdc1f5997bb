// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/rtz/report.h"

#include <boost/json.hpp>
#include <cstdio>

#include "bench/support/json_lines.h"

namespace vmmc::bench {
namespace {

namespace json = boost::json;

using Count = unsigned long long;

constexpr std::uint64_t kLate[] = {1, 2, 5, 10, 20, 50};  // ms

const Cell* udp_beside(const Cell& cell, std::span<const Cell> cells) {
  for (const Cell& other : cells) {
    if (other.contestant == Contestant::kUdp && other.manner.spin == cell.manner.spin &&
        other.manner.fifo == cell.manner.fifo) {
      return &other;
    }
  }
  return nullptr;
}

std::string ratio_text(const Cell& cell, const Cell* udp) {
  if (udp == nullptr || udp == &cell) return "";
  const Ratio ratio = ratio_to(cell, *udp);
  char text[80];
  int length =
      std::snprintf(text, sizeof text, "%.3f (%.3f-%.3f)", ratio.median, ratio.least, ratio.most);
  if (ratio.far > 0) {
    std::snprintf(text + length, sizeof text - static_cast<std::size_t>(length), "  %.3f",
                  ratio.far);
  }
  return text;
}

}  // namespace

void Report::header(const std::string& placement, const ClockProbe& probe) const {
  const MachineFacts facts = read_machine_facts();
  if (settings_.json) {
    json::object line = machine_line(facts, probe);
    line["placement"] = placement;
    line["rate_per_s"] = settings_.rate;
    line["budget_per_s"] = 2 * settings_.rate;
    line["deadline_ns"] = settings_.deadline;
    return print_line(line);
  }
  std::printf("Datagrams between two processes, %s\n", facts.date.c_str());
  std::printf("  machine    %s\n", describe_machine(facts).c_str());
  std::printf("  kernel     %s\n", facts.kernel.c_str());
  std::printf("  placement  %s\n", placement.c_str());
  std::printf(
      "  rate       %llu packets per second, half of the budget; deadline %.0f us after due\n",
      static_cast<Count>(settings_.rate), static_cast<double>(settings_.deadline) / 1e3);
  std::printf("  host noise %s\n", describe_stalls(probe).c_str());
  std::fflush(stdout);
}

void Report::progress(const std::string& what) const {
  std::fprintf(stderr, "  ... %s\n", what.c_str());
}

void Report::one_way(std::uint32_t bytes, Condition condition, std::span<const Cell> cells,
                     double bulk_rate) const {
  if (!settings_.json) {
    std::printf("\n%u B, %s: latency in us from the time when a message was due, one way", bytes,
                condition_name(condition));
    if (condition.bulk) std::printf("; bulk transfer meanwhile %.2f GB/s", bulk_rate);
    std::printf(
        "\n%-9s %-10s %8s %8s %8s %9s %10s %9s %6s %6s  %-7s %5s p50 from send, p50/udp (range)  "
        "p99.99/udp\n",
        "", "", "p50", "p99", "p99.9", "p99.99", "max", "messages", "missed", "lost", "by",
        "awake");
  }
  for (const Cell& cell : cells) {
    const Cell* const udp = udp_beside(cell, cells);
    settings_.json ? json_line("one-way", bytes, condition_name(condition), cell, udp)
                   : one_way_line(cell, udp);
  }
  if (settings_.late_table && !settings_.json) late_table(cells);
  std::fflush(stdout);
}

void Report::one_way_line(const Cell& cell, const Cell* udp) const {
  const platform::Histogram& latency = cell.latency;
  std::printf("%-9s %-10s %8s %8s %8s %9s %10s %9llu %6llu %6llu  %-7s %5.0f %8s  %s\n",
              contestant_name(cell.contestant), manner_name(cell.manner),
              percentile_text(latency, 50).c_str(), percentile_text(latency, 99).c_str(),
              percentile_text(latency, 99.9).c_str(), percentile_text(latency, 99.99).c_str(),
              percentile_text(latency, 100).c_str(), static_cast<Count>(latency.count()),
              static_cast<Count>(cell.misses), static_cast<Count>(cell.lost), cell.path.c_str(),
              static_cast<double>(cell.median_awake()) / 1e3,
              percentile_text(cell.from_send, 50).c_str(), ratio_text(cell, udp).c_str());
  const bool is_rtz =
      cell.contestant == Contestant::kRtzHost || cell.contestant == Contestant::kRtzNic;
  if (is_rtz && cell.own_misses > 0) {
    std::printf("%20s deadline misses by the channel's own counter, from the send: %llu\n", "",
                static_cast<Count>(cell.own_misses));
  }
}

void Report::late_table(std::span<const Cell> cells) const {
  std::printf("%-20s", "later than");
  for (const std::uint64_t ms : kLate) std::printf(" %6llu ms", static_cast<Count>(ms));
  std::printf("\n");
  for (const Cell& cell : cells) {
    std::printf("%-9s %-10s", contestant_name(cell.contestant), manner_name(cell.manner));
    for (const std::uint64_t ms : kLate)
      std::printf(" %9llu", static_cast<Count>(cell.later_than(ms * 1'000'000)));
    std::printf("\n");
  }
}

void Report::ping_pong(std::uint32_t bytes, std::span<const Cell> cells) const {
  if (!settings_.json) {
    std::printf(
        "\n%u B, closed loop: half of the round trip in us\n%-9s %-10s %8s %8s %8s %10s %9s"
        " %6s  by       p50/udp (range)\n",
        bytes, "", "", "p50", "p99", "p99.9", "max", "messages", "lost");
  }
  for (const Cell& cell : cells) {
    const Cell* const udp = udp_beside(cell, cells);
    if (settings_.json) {
      json_line("ping-pong", bytes, "alone", cell, udp);
      continue;
    }
    std::printf(
        "%-9s %-10s %8s %8s %8s %10s %9llu %6llu  %-7s  %s\n", contestant_name(cell.contestant),
        manner_name(cell.manner), percentile_text(cell.latency, 50).c_str(),
        percentile_text(cell.latency, 99).c_str(), percentile_text(cell.latency, 99.9).c_str(),
        percentile_text(cell.latency, 100).c_str(), static_cast<Count>(cell.latency.count()),
        static_cast<Count>(cell.lost), cell.path.c_str(), ratio_text(cell, udp).c_str());
  }
  std::fflush(stdout);
}

void Report::json_line(const char* type, std::uint32_t bytes, const char* condition,
                       const Cell& cell, const Cell* udp) const {
  json::object line{{"type", type},
                    {"bytes", bytes},
                    {"condition", condition},
                    {"contestant", contestant_name(cell.contestant)},
                    {"manner", manner_name(cell.manner)},
                    {"path", cell.path},
                    {"lost", cell.lost},
                    {"deadline_misses", cell.misses},
                    {"deadline_misses_own_count", cell.own_misses}};
  line["latency"] = percentiles(cell.latency);
  line["from_send"] = percentiles(cell.from_send);
  line["sender_awake_ns"] = cell.median_awake();
  for (const std::uint64_t ms : kLate)
    line["later_than_" + std::to_string(ms) + "_ms"] = cell.later_than(ms * 1'000'000);
  if (udp != nullptr && udp != &cell) {
    const Ratio ratio = ratio_to(cell, *udp);
    line["p50_to_udp"] =
        json::object{{"median", ratio.median}, {"least", ratio.least}, {"most", ratio.most}};
    if (ratio.far > 0) line["p99.99_to_udp"] = ratio.far;
  }
  print_line(line);
}

void Report::fifo(bool refused) const {
  const char* said = refused ? "refused: those lines are without it" : "granted";
  if (settings_.json) return print_line({{"type", "fifo"}, {"granted", !refused}});
  std::printf("\nSCHED_FIFO for sender, receiver and nicsim: %s.\n", said);
}

void Report::footer() const {
  const double stolen = stolen_percent(at_start_, read_core_time());
  if (settings_.json)
    return print_line({{"type", "end"}, {"stolen_percent", stolen}, {"checked", "every byte"}});
  std::printf(
      "\nEvery byte of every message was checked. The hypervisor took %.1f %% of the "
      "cores' time.\n",
      stolen);
}

}  // namespace vmmc::bench
