// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of vmmcstat.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "tools/vmmcstat/views.h"

namespace vmmc::stat {

enum class Action : std::uint8_t {
  kWatch,  // a view, again and again
  kOnce,   // a view, once
  kJson,
  kOpenMetrics,
  kStartTrace,
  kStopTrace,
  kSaveTrace,
};

struct Options {
  Action action = Action::kWatch;
  View view = View::kOverview;
  std::string socket;                                // $VMMC_SOCKET, or the user's default
  std::optional<std::chrono::nanoseconds> interval;  // as given; > 0
  std::uint64_t records = 0;                         // of the trace's ring; 0: nicsim's default
  std::string file;                                  // where a trace goes; empty: nowhere
  bool overwrite = false;
};

// There is nothing to do: print and exit.
struct EarlyExit {
  int exit_code;
  std::string text;  // for standard output if exit_code is 0, else for standard error
};

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv);

}  // namespace vmmc::stat
