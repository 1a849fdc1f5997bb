// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Bandwidth of platform::copy_words by size, beside memcpy and other ways, in turns.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "bench/copy/partner.h"
#include "bench/copy/ways.h"
#include "bench/support/machine.h"
#include "bench/support/placement.h"
#include "platform/copy_facts.h"

namespace vmmc::bench {
namespace {

const std::vector<std::string> kScenarios{"warm", "read", "written", "cold"};

struct Settings {
  std::vector<std::size_t> sizes{256,   512,   1024,   2048,    4096,    8192,
                                 16384, 65536, 262144, 1048576, 4194304, 16777216};
  std::vector<std::string> scenarios = kScenarios;
  std::size_t rounds = 15;
  std::size_t destination_offset = 0;
  std::size_t source_offset = 2048;
};

constexpr std::size_t kOffsets = 4096;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Result {
  std::vector<double> copy;  // GB/s, a round each
  std::vector<double> read;  // of the partner afterwards
};

class Bench {
 public:
  Bench(const Settings& settings, int partner_core)
      : settings_(settings),
        ways_(ways()),
        partner_(
            *std::max_element(settings.sizes.begin(), settings.sizes.end()) + kBatch + 2 * kOffsets,
            partner_core) {}

  void measure(const std::string& scenario, std::size_t size) {
    const double before = line_round_trip();
    std::vector<Result> results(ways_.size());
    std::vector<std::size_t> order(ways_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (std::size_t round = 0; round <= settings_.rounds; ++round) {
      std::shuffle(order.begin(), order.end(), random_);
      for (const std::size_t way : order) {
        Result& result = results[way];
        run(scenario, size, ways_[way], result);
        if (round > 0) continue;  // the first is not counted
        check(size, ways_[way]);
        result = {};
      }
    }
    print(scenario, size, results, before, line_round_trip());
  }

 private:
  static constexpr std::size_t kBatch = 256 * 1024;

  // Short copies go to one place after the other, in batches that the clock can measure.
  static std::size_t copies_of(std::size_t size) { return std::max<std::size_t>(kBatch / size, 1); }
  std::byte* destination() { return partner_.destination() + settings_.destination_offset; }
  std::byte* source() { return partner_.source() + settings_.source_offset; }

  // The median time of a line to the partner and back, in nanoseconds: tells how far apart the
  // cores are at the moment.
  double line_round_trip() {
    std::vector<double> times;
    for (int i = 0; i < 301; ++i) {
      const std::uint64_t start = now();
      partner_.perform(Partner::Task::kNothing, nullptr, 0);
      times.push_back(static_cast<double>(now() - start));
    }
    return median(times);
  }

  void prepare(const std::string& scenario, std::size_t bytes, std::uint64_t number) {
    if (scenario == "written") {
      partner_.perform(Partner::Task::kWrite, source(), bytes);
    } else {
      write_words(source(), bytes, number);
    }
    partner_.perform(Partner::Task::kRead, destination(), bytes);
    if (scenario == "cold") {
      flush(destination(), bytes + 64);
      flush(source(), bytes + 64);
    }
  }

  void run(const std::string& scenario, std::size_t size, const Way& way, Result& result) {
    const std::size_t copies = copies_of(size);
    const std::size_t bytes = size * copies;
    const bool warm = scenario == "warm";
    if (warm) {
      way.copy(destination(), source(), size);
    } else {
      prepare(scenario, bytes, ++number_);
    }
    const std::uint64_t start = now();
    for (std::size_t i = 0; i < copies; ++i) {
      const std::size_t at = warm ? 0 : i * size;
      way.copy(destination() + at, source() + at, size);
    }
    const auto duration = static_cast<double>(now() - start);
    const auto reading = static_cast<double>(
        partner_.perform(Partner::Task::kRead, destination(), warm ? size : bytes));
    result.copy.push_back(static_cast<double>(bytes) / duration);
    result.read.push_back(static_cast<double>(warm ? size : bytes) / reading);
  }

  // Clears the destination and copies once more: every byte must be there.
  void check(std::size_t size, const Way& way) {
    std::memset(destination(), 0, size);
    write_words(source(), size, ++number_);
    way.copy(destination(), source(), size);
    if (std::memcmp(destination(), source(), size) == 0) return;
    std::fprintf(stderr, "%s copied wrong bytes\n", way.name);
    std::exit(1);
  }

  void print(const std::string& scenario, std::size_t size, const std::vector<Result>& results,
             double before, double after) {
    const double reference = median(results[0].copy);
    for (std::size_t i = 0; i < ways_.size(); ++i) {
      const auto [least, most] =
          std::minmax_element(results[i].copy.begin(), results[i].copy.end());
      const double middle = median(results[i].copy);
      std::printf("%9zu  %-8s %-14s %7.1f %7.1f %7.1f %7.2f %7.1f   %4.0f %4.0f\n", size,
                  scenario.c_str(), ways_[i].name, middle, *least, *most, middle / reference,
                  median(results[i].read), before, after);
    }
    std::fflush(stdout);
  }

  const Settings& settings_;
  const std::vector<Way> ways_;
  Partner partner_;
  std::mt19937 random_{1};
  std::uint64_t number_ = 0;
};

void print_head(const Settings& settings, int own_core, int partner_core) {
  const MachineFacts machine = read_machine_facts();
  const platform::CopyFacts facts = platform::read_copy_facts();
  std::printf("VMMC copies, %s\n  machine    %s\n", machine.date.c_str(),
              describe_machine(machine).c_str());
  std::printf(
      "  facts      32-byte vectors: %s, fast rep movs: %s, with aliases: %s, "
      "shared cache %zu KiB\n",
      facts.wide_vectors ? "yes" : "no", facts.fast_string ? "yes" : "no",
      facts.string_aliases ? "yes" : "no", facts.shared_cache / 1024);
  std::printf("  placement  copies on core %d, the partner on core %d\n", own_core, partner_core);
  std::printf("  offsets    destination %zu, source %zu\n\n", settings.destination_offset,
              settings.source_offset);
  std::printf("%9s  %-8s %-14s %7s %7s %7s %7s %7s   %s\n", "bytes", "scenario", "way", "GB/s",
              "min", "max", "ratio", "reader", "line, ns");
}

int run(const Settings& settings) {
  const std::vector<int> cores = allowed_cores();
  const int own = cores.front();
  const int other = cores.back();
  print_head(settings, own, other);
  bind_to_core(own);
  Bench bench(settings, other);
  for (const std::string& scenario : settings.scenarios) {
    for (const std::size_t size : settings.sizes) bench.measure(scenario, size);
  }
  return 0;
}

}  // namespace
}  // namespace vmmc::bench

int main(int argc, char** argv) {
  vmmc::bench::Settings settings;
  CLI::App app("Bandwidth of copies by size, beside memcpy and other ways.");
  bool smoke = false;
  app.add_option("--sizes", settings.sizes, "bytes of a copy, multiples of 256")
      ->delimiter(',')
      ->check(CLI::Range(std::size_t{256}, std::size_t{1} << 30))
      ->check([](const std::string& text) {
        return std::stoull(text) % 256 == 0 ? std::string() : "no multiple of 256: " + text;
      });
  app.add_option("--scenario", settings.scenarios, "warm, read, written, cold (README.md)")
      ->delimiter(',')
      ->check(CLI::IsMember(vmmc::bench::kScenarios));
  app.add_option("--rounds", settings.rounds, "samples of each way")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}));
  const auto offset = [](const std::string& text) {
    const auto value = std::stoull(text);
    return value % 8 == 0 && value <= vmmc::bench::kOffsets ? std::string() : "no offset: " + text;
  };
  app.add_option("--destination-offset", settings.destination_offset, "in a page, multiple of 8")
      ->check(CLI::NonNegativeNumber)
      ->check(offset);
  app.add_option("--source-offset", settings.source_offset, "in a page, multiple of 8")
      ->check(CLI::NonNegativeNumber)
      ->check(offset);
  app.add_flag("--smoke", smoke, "few samples: only shows that it works");
  CLI11_PARSE(app, argc, argv);
  if (smoke) {
    settings.rounds = 2;
    settings.sizes = {256, 4096, 65536};
  }
  return vmmc::bench::run(settings);
}
