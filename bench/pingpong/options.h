// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The benchmark's command line. Sizes in bytes, times in nanoseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bench/support/placement.h"
#include "vmmc/vmmc.h"

namespace vmmc::bench {

struct Options {
  std::string mode = "all";          // pingpong, bandwidth, rate, fixed-rate, or all of them
  std::vector<std::uint64_t> sizes;  // never empty after parsing
  bool sizes_chosen = false;         // by the user
  std::uint64_t iterations = 0;      // 0: as many as fit the budget
  std::uint64_t budget = 0;          // for one measurement of one size
  vmmc_executor executor = VMMC_EXECUTOR_AUTO;
  vmmc_wait_strategy wait = VMMC_WAIT_ADAPTIVE;
  Placement placement = Placement::kNone;
  std::uint64_t rate = 10'000;  // messages per second in fixed-rate mode
  double seconds = 2.0;         // length of the fixed-rate run
  bool json = false;
  bool quick = false;
  bool smoke = false;
  std::uint64_t corrupt =
      0;  // flips one byte of the message with this number, counted from 1; 0: of none

  bool wants(const char* name) const { return mode == "all" || mode == name; }
};

// The options, or the exit status with which the program shall end at once (help and mistakes,
// which have been printed).
std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace vmmc::bench
