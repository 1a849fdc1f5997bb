// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A parallel radix sort over deliberate and over automatic update. See README.md.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "examples/radixsort/plan.h"
#include "examples/radixsort/sorter.h"
#include "examples/support/must.h"
#include "vmmc/vmmc.hpp"

namespace examples::radixsort {
namespace {

struct Options {
  std::uint32_t keys = 1'000'000;
  unsigned bits = 8;
  std::uint32_t seed = 1;
  std::vector<Way> ways{Way::kDeliberate, Way::kAutomatic};
  vmmc_bind_options binding{VMMC_CAPTURE_TYPED, VMMC_COMBINE_TIMER, 50'000, 0};
};

double sum_of(const std::vector<double>& times) {
  return std::accumulate(times.begin(), times.end(), 0.0);
}

void print_costs(Way way, const Options& options, const Costs& costs) {
  const double total = sum_of(costs.passes);
  std::printf("%s %8.1f ms, %6.2f million keys/s, %9llu transfers; ms per pass (moving keys):",
              way == Way::kDeliberate ? "deliberate:" : "automatic: ", total,
              options.keys / total / 1000.0, static_cast<unsigned long long>(costs.transfers));
  for (std::size_t i = 0; i < costs.passes.size(); ++i) {
    std::printf(" %.1f (%.1f)", costs.passes[i], costs.permutations[i]);
  }
  std::printf("\n");
}

// In rank 0, and says how long std::sort takes.
std::vector<Key> sort_alone(const Options& options) {
  std::vector<Key> keys(options.keys);
  for (std::uint32_t i = 0; i < options.keys; ++i) keys[i] = key_at(options.seed, i);
  const auto start = std::chrono::steady_clock::now();
  std::sort(keys.begin(), keys.end());
  const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
  std::printf("std::sort:  %8.1f ms in one process\n", time.count());
  return keys;
}

bool sort_all_ways(const Options& options) {
  const bool first = vmmc_rank() == 0;
  Sorter sorter(Blocks(options.keys, vmmc_size()), options.bits, options.binding);
  std::vector<Key> expected;
  if (first) {
    std::printf("%u keys, %u %s, %u bits per pass, seed %u\n", options.keys, vmmc_size(),
                vmmc_size() == 1 ? "process" : "processes", options.bits, options.seed);
    expected = sort_alone(options);
  }
  bool good = true;
  for (const Way way : options.ways) {
    const Costs costs = sorter.sort(way, options.seed);
    good = sorter.holds(expected) && good;
    if (first) print_costs(way, options, costs);
  }
  if (first) std::printf("check: %s to std::sort\n", good ? "equal" : "NOT EQUAL");
  return good;
}

int run(const Options& options) {
  must(vmmc_init(nullptr), "vmmc_init");
  const bool good = sort_all_ways(options);
  must(vmmc_finalize(), "vmmc_finalize");
  return good ? 0 : 1;
}

}  // namespace
}  // namespace examples::radixsort

int main(int argc, char** argv) {
  using namespace examples::radixsort;
  Options options;
  std::string by = "both";
  const std::map<std::string, std::vector<Way>> ways{
      {"deliberate", {Way::kDeliberate}}, {"automatic", {Way::kAutomatic}}, {"both", options.ways}};
  const std::map<std::string, int> captures{{"typed", VMMC_CAPTURE_TYPED},
                                            {"trap", VMMC_CAPTURE_TRAP}};
  const std::map<std::string, int> combinings{{"timer", VMMC_COMBINE_TIMER},
                                              {"block", VMMC_COMBINE_BLOCK},
                                              {"single", VMMC_COMBINE_SINGLE},
                                              {"off", VMMC_COMBINE_OFF}};
  CLI::App app{"A parallel radix sort. Start it with vmmcrun -n PROCESSES."};
  app.add_option("--keys", options.keys, "of all processes together")
      ->check(CLI::Range(1, 1 << 28))
      ->capture_default_str();
  app.add_option("--bits", options.bits, "that a pass sorts by, of 32")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of the keys")->capture_default_str();
  app.add_option("--by", by, "how keys travel: deliberate, automatic or both, one after the other")
      ->check(CLI::IsMember({"deliberate", "automatic", "both"}))
      ->capture_default_str();
  app.add_option("--capture", options.binding.capture, "of stores: typed or trap; default: typed")
      ->transform(CLI::CheckedTransformer(captures));
  app.add_option("--combining", options.binding.combining,
                 "of stores: timer, block, single or off; default: timer")
      ->transform(CLI::CheckedTransformer(combinings));
  CLI11_PARSE(app, argc, argv);
  options.ways = ways.at(by);
  return run(options);
}
