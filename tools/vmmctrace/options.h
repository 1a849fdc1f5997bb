// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of vmmctrace.
#pragma once

#include <string>
#include <variant>

#include "tools/vmmctrace/writers.h"

namespace vmmc::trace_tool {

struct Options {
  void (*write)(const TraceFile& trace, Sink& sink) = nullptr;
  bool binary = false;  // nothing for a terminal
  std::string input;
  std::string output = "-";  // "-": standard output
  bool overwrite = false;
};

// There is nothing to do: print and exit.
struct EarlyExit {
  int exit_code;
  std::string text;  // for standard output if exit_code is 0, else for standard error
};

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv);

}  // namespace vmmc::trace_tool
