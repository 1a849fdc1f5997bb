// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/ring/settings.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace vmmc::bench {

bool Settings::has(Contestant contestant) const {
  return std::find(contestants.begin(), contestants.end(), contestant) != contestants.end();
}

std::variant<Settings, int> parse_settings(int argc, char** argv) {
  Settings settings;
  CLI::App app("Frames from capture files and interfaces, read by a ring and by its peers.");
  std::vector<std::string> names{"ring", "libpcap", "tap"};
  std::string part = "all";
  bool quick = false;
  settings.sizes = {64, 1500};
  app.add_option("--contestant", names, "ring, libpcap, tap; repeatable")
      ->check(CLI::IsMember({"ring", "libpcap", "tap"}));
  app.add_option("--part", part, "file, live or all")
      ->check(CLI::IsMember({"file", "live", "all"}));
  app.add_option("--size", settings.sizes, "bytes of a frame; repeatable")
      ->check(CLI::Range(64, 1514));
  app.add_option("--rounds", settings.rounds, "of everything, interleaved (5)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--common-rate", settings.common_rate,
                 "frames per second at which the costs of a frame are compared (50000)")
      ->check(CLI::Range(100, 10'000'000));
  app.add_flag("--quick", quick, "seconds instead of minutes: only shows that it works");
  app.add_flag("--json", settings.json, "one JSON object per line instead of tables");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  for (int i = 0; i < kContestants; ++i) {
    const auto contestant = static_cast<Contestant>(i);
    if (std::find(names.begin(), names.end(), contestant_name(contestant)) != names.end())
      settings.contestants.push_back(contestant);
  }
  settings.file = part != "live";
  settings.live = part != "file";
  settings.file_bytes = quick ? 4'000'000 : 400'000'000;
  settings.duration = quick ? 50'000'000 : 500'000'000;
  settings.steps = quick ? 2 : 6;
  if (settings.rounds == 0) settings.rounds = quick ? 1 : 5;
  if (settings.common_rate == 0) settings.common_rate = quick ? 5000 : 50'000;
  return settings;
}

}  // namespace vmmc::bench
