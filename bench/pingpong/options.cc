// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/pingpong/options.h"

#include <CLI/CLI.hpp>
#include <map>

namespace vmmc::bench {
namespace {

constexpr std::uint64_t kKi = 1024;
constexpr std::uint64_t kMi = 1024 * kKi;
constexpr std::uint64_t kLargest = 64 * kMi;

const std::vector<std::uint64_t> kAllSizes = {
    4, 8, 16, 64, 256, 1 * kKi, 4 * kKi, 16 * kKi, 64 * kKi, 256 * kKi, 1 * kMi, 4 * kMi, 16 * kMi};
const std::vector<std::uint64_t> kQuickSizes = {4,       8,        64,       256,     1 * kKi,
                                                4 * kKi, 16 * kKi, 64 * kKi, 1 * kMi, 16 * kMi};
const std::vector<std::uint64_t> kSmokeSizes = {4, 8, 12, 4 * kKi, 100 * kKi};

void settle_defaults(Options& options, bool placement_chosen) {
  options.sizes_chosen = !options.sizes.empty();
  if (options.sizes.empty()) {
    options.sizes = options.smoke ? kSmokeSizes : options.quick ? kQuickSizes : kAllSizes;
  }
  options.budget = options.quick ? 700'000'000 : 3'000'000'000;
  if (options.smoke && options.iterations == 0) options.iterations = 20;
  if (options.smoke) options.seconds = 0.05;
  if (!placement_chosen) options.placement = default_placement(allowed_cores().size());
}

// Names as the program's options spell them, taken over by CLI11.
template <typename T>
CLI::CheckedTransformer one_of(std::map<std::string, T> names) {
  return CLI::CheckedTransformer(std::move(names));
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("--mode", options.mode, "pingpong, bandwidth, rate, fixed-rate, or all")
      ->check(CLI::IsMember({"pingpong", "bandwidth", "rate", "fixed-rate", "all"}))
      ->capture_default_str();
  app.add_option("--size", options.sizes,
                 "bytes of a message, a multiple of 4; repeatable; 16Ki is 16384")
      ->transform(CLI::AsSizeValue(false))
      ->check([](const std::string& text) {
        const std::uint64_t size = std::stoull(text);
        return size % 4 == 0 && size > 0 && size <= kLargest
                   ? std::string()
                   : "a size is a multiple of 4 from 4 to 64Mi, not " + text;
      });
  app.add_option("--iterations", options.iterations,
                 "of each measurement; default: as many as fit the time");
  app.add_option("--executor", options.executor, "nic, host or auto")
      ->transform(one_of<vmmc_executor>({{"nic", VMMC_EXECUTOR_NIC},
                                         {"host", VMMC_EXECUTOR_HOST},
                                         {"auto", VMMC_EXECUTOR_AUTO}}));
  app.add_option("--wait", options.wait, "adaptive, spin, pause, yield or block")
      ->transform(one_of<vmmc_wait_strategy>({{"adaptive", VMMC_WAIT_ADAPTIVE},
                                              {"spin", VMMC_WAIT_SPIN},
                                              {"pause", VMMC_WAIT_PAUSE},
                                              {"yield", VMMC_WAIT_YIELD},
                                              {"block", VMMC_WAIT_BLOCK}}));
  app.add_option("--rate", options.rate, "messages per second in fixed-rate mode")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{10'000'000}))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "length of the fixed-rate run")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str();
  app.add_flag("--json", options.json, "one JSON object per line instead of tables");
  app.add_flag("--quick", options.quick, "fewer sizes, less time for each: below a minute in all");
  app.add_flag("--smoke", options.smoke,
               "only shows that everything works; the numbers mean nothing");
  app.add_option("--corrupt", options.corrupt, "flip a byte of this message")->group("");
}

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  CLI::App app{
      "Latency and bandwidth between two processes. Starts its own nicsim ($VMMC_NICSIM)."};
  add_options(app, options);
  auto* placement =
      app.add_option("--placement", options.placement,
                     "split, spread or none; default: split with 2 cores, spread with more")
          ->transform(one_of<Placement>({{"none", Placement::kNone},
                                         {"split", Placement::kSplit},
                                         {"spread", Placement::kSpread}}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  settle_defaults(options, placement->count() > 0);
  return options;
}

}  // namespace vmmc::bench
