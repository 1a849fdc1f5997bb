// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A contestant's command line: its variants, its options, its main().
#pragma once

#include <getopt.h>

#include <span>
#include <sstream>
#include <string_view>

#include "contestant_processes.h"

namespace contestant {

struct Variant {
  const char* name;
  const char* measures;  // separated by commas
  bool sleeps;           // how it waits: asleep in the kernel, or polling
  void (*run)(const Options& options);
};

inline bool in_list(std::string_view list, std::string_view word) {
  std::stringstream words{std::string(list)};
  for (std::string one; std::getline(words, one, ',');) {
    if (one == word) return true;
  }
  return false;
}

inline long parse_number(const char* option, const std::string& text, long lowest, long highest) {
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < lowest || value > highest) {
    fail(kWrongArguments, "--%s must be a number from %ld to %ld, not '%s'", option, lowest,
         highest, text.c_str());
  }
  return value;
}

inline std::vector<int> parse_cpus(const std::string& text) {
  std::vector<int> cpus;
  std::stringstream words(text);
  for (std::string one; std::getline(words, one, ',');) {
    cpus.push_back(static_cast<int>(parse_number("cpus", one, 0, CPU_SETSIZE - 1)));
  }
  if (cpus.empty()) fail(kWrongArguments, "--cpus needs at least one CPU");
  return cpus;
}

inline Options parse_options(int argc, char** argv, std::span<const Variant> variants) {
  constexpr option kLong[] = {{"variant", required_argument, nullptr, 'v'},
                              {"measure", required_argument, nullptr, 'm'},
                              {"bytes", required_argument, nullptr, 'b'},
                              {"cpus", required_argument, nullptr, 'c'},
                              {"milliseconds", required_argument, nullptr, 't'},
                              {"processes", required_argument, nullptr, 'p'},
                              {"list", no_argument, nullptr, 'l'},
                              {nullptr, 0, nullptr, 0}};
  constexpr long kMaxBytes = 1L << 30;
  Options options;
  for (int key; (key = ::getopt_long(argc, argv, "", kLong, nullptr)) != -1;) {
    const std::string value = ::optarg != nullptr ? ::optarg : "";
    if (key == 'v') options.variant = value;
    if (key == 'm') options.measure = value;
    if (key == 'b') options.bytes = std::size_t(parse_number("bytes", value, 8, kMaxBytes));
    if (key == 'c') options.cpus = parse_cpus(value);
    if (key == 't') options.milliseconds = int(parse_number("milliseconds", value, 1, 3600000));
    if (key == 'p') options.processes = int(parse_number("processes", value, 2, kMaxProcesses));
    if (key == '?') ::exit(kWrongArguments);
    if (key != 'l') continue;
    for (const Variant& variant : variants) {
      std::printf("%s %s %s\n", variant.name, variant.measures,
                  variant.sleeps ? "SLEEPS" : "POLLS");
    }
    std::exit(0);
  }
  if (::optind != argc) fail(kWrongArguments, "unexpected argument '%s'", argv[::optind]);
  if (options.bytes % 8 != 0) fail(kWrongArguments, "--bytes must be a multiple of 8");
  if (options.measure == "rate" && options.bytes != 8) {
    fail(kWrongArguments, "rate is measured with 8 bytes");
  }
  return options;
}

// A program's main().
inline int contestant_main(int argc, char** argv, std::span<const Variant> variants) {
  const Options options = parse_options(argc, argv, variants);
  for (const Variant& variant : variants) {
    if (options.variant != variant.name) continue;
    if (!in_list(variant.measures, options.measure)) {
      fail(kWrongArguments, "%s cannot measure '%s', only %s", variant.name,
           options.measure.c_str(), variant.measures);
    }
    variant.run(options);
    join_processes();
    return 0;
  }
  fail(kWrongArguments, "no variant '%s': see --list", options.variant.c_str());
}

}  // namespace contestant
