// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/rtz/settings.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace vmmc::bench {
namespace {

constexpr std::uint32_t kSmallest = 32;  // numbers and times stand in front of a payload
constexpr std::uint32_t kLargest = 60'000;

// As they are given on the command line; empty and 0: what the kind of run has.
struct Words {
  std::vector<std::string> contestants;
  std::vector<std::string> conditions;
  std::vector<std::string> manners;
  std::vector<std::uint32_t> sizes;
  std::uint64_t rate = 0;
  std::uint64_t samples = 0;
  std::uint64_t round_ms = 0;
  std::uint64_t deadline_us = 1000;
  std::string placement = "default";
  bool quick = false;
  bool million = false;
  bool json = false;
};

constexpr Condition kConditions[] = {{false, false}, {true, false}, {false, true}, {true, true}};
constexpr Manner kManners[] = {{true, false}, {false, false}, {true, true}, {false, true}};

// Those of `all` whose name is among `names`, in the order of `all`; an empty list means `usual`.
template <typename Item, typename Name>
std::vector<Item> chosen(const Item* begin, const Item* end, const std::vector<std::string>& names,
                         const std::vector<std::string>& usual, Name name) {
  const auto& wanted = names.empty() ? usual : names;
  std::vector<Item> items;
  std::copy_if(begin, end, std::back_inserter(items), [&](const Item& item) {
    return std::find(wanted.begin(), wanted.end(), name(item)) != wanted.end();
  });
  return items;
}

void define(CLI::App& app, Words& words) {
  app.add_option("--contestant", words.contestants,
                 "rtz-host, rtz-nic, udp, unix, bare; repeatable")
      ->check(CLI::IsMember({"rtz-host", "rtz-nic", "udp", "unix", "bare"}));
  app.add_option("--condition", words.conditions,
                 "alone, bulk (1 MiB sends through nicsim), load (a busy process on each core), "
                 "bulk+load; repeatable")
      ->check(CLI::IsMember({"alone", "bulk", "load", "bulk+load"}));
  app.add_option("--manner", words.manners,
                 "how receivers wait: spin, block, spin+fifo, block+fifo; repeatable")
      ->check(CLI::IsMember({"spin", "block", "spin+fifo", "block+fifo"}));
  app.add_option("--size", words.sizes, "bytes of a message, a multiple of 4; repeatable")
      ->check(CLI::Range(kSmallest, kLargest));
  app.add_option("--rate", words.rate,
                 "packets per second (14000); a message has one for each 4096 B")
      ->check(CLI::Range(10, 1'000'000));
  app.add_option("--samples", words.samples, "messages of each contestant, manner and condition")
      ->check(CLI::Range(1, 1'000'000'000));
  app.add_option("--round-ms", words.round_ms, "length of a round (250)")
      ->check(CLI::Range(1, 60'000));
  app.add_option("--deadline-us", words.deadline_us, "from the time when a message is due (1000)")
      ->check(CLI::Range(1, 10'000'000));
  app.add_option("--placement", words.placement, "none, split or spread (bench/README.md)")
      ->check(CLI::IsMember({"none", "split", "spread"}));
  app.add_flag("--quick", words.quick, "seconds instead of minutes: only shows that it works");
  app.add_flag("--million", words.million,
               "one million messages at half of the admitted budget beside a bulk transfer");
  app.add_flag("--json", words.json, "one JSON object per line instead of tables");
}

void choose_amounts(const Words& words, Settings& settings) {
  const auto or_else = [](std::uint64_t given, std::uint64_t usual) {
    return given != 0 ? given : usual;
  };
  settings.rate = or_else(words.rate, words.quick ? 5000 : 14'000);
  settings.samples = or_else(words.samples, words.million ? 1'000'000
                                            : words.quick ? 100
                                                          : 100'000);
  settings.other_samples = std::min<std::uint64_t>(settings.samples, words.quick ? 40 : 5'000);
  settings.round = or_else(words.round_ms, words.million ? 500
                                           : words.quick ? 20
                                                         : 250) *
                   1'000'000;
  settings.deadline = words.deadline_us * 1000;
  settings.probe =
      words.quick ? 50'000'000 : 3'000'000'000;  // some of the kernel's work is done once a second
}

Settings settings_of(const Words& words) {
  constexpr Contestant kAll[] = {Contestant::kRtzHost, Contestant::kRtzNic, Contestant::kUdp,
                                 Contestant::kUnixDatagram, Contestant::kBare};
  using Names = std::vector<std::string>;
  Settings settings;
  settings.contestants = chosen(std::begin(kAll), std::end(kAll), words.contestants,
                                words.million ? Names{"rtz-host", "rtz-nic", "udp", "bare"}
                                              : Names{"rtz-host", "rtz-nic", "udp", "unix", "bare"},
                                contestant_name);
  settings.conditions =
      chosen(std::begin(kConditions), std::end(kConditions), words.conditions,
             words.million ? Names{"bulk"} : Names{"alone", "bulk+load"}, condition_name);
  settings.manners = chosen(std::begin(kManners), std::end(kManners), words.manners,
                            words.million ? Names{"block", "block+fifo"}
                                          : Names{"spin", "block", "spin+fifo", "block+fifo"},
                            manner_name);
  settings.sizes = words.sizes;
  if (settings.sizes.empty()) {
    settings.sizes = words.million ? std::vector<std::uint32_t>{64}
                                   : std::vector<std::uint32_t>{64, 1024, 4096, 20'480};
  }
  for (std::uint32_t& size : settings.sizes) size &= ~std::uint32_t{3};
  choose_amounts(words, settings);
  settings.placement =
      words.placement == "default" ? Placement::kSpread : *placement_from_name(words.placement);
  settings.ping_pong = !words.million;
  settings.late_table = words.million;
  settings.json = words.json;
  return settings;
}

}  // namespace

const char* condition_name(Condition condition) {
  if (condition.bulk) return condition.load ? "bulk+load" : "bulk";
  return condition.load ? "load" : "alone";
}

const char* manner_name(Manner manner) {
  if (manner.spin) return manner.fifo ? "spin+fifo" : "spin";
  return manner.fifo ? "block+fifo" : "block";
}

bool Settings::has(Contestant contestant) const {
  return std::find(contestants.begin(), contestants.end(), contestant) != contestants.end();
}

bool Settings::uses_vmmc() const {
  return has(Contestant::kRtzHost) || has(Contestant::kRtzNic) ||
         std::any_of(conditions.begin(), conditions.end(),
                     [](const Condition& condition) { return condition.bulk; });
}

std::variant<Settings, int> parse_settings(int argc, char** argv) {
  Words words;
  CLI::App app("Latency of small messages between two processes at a fixed rate.");
  define(app, words);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  return settings_of(words);
}

}  // namespace vmmc::bench
