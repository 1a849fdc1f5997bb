// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of vmmcrun.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace vmmc::run {

struct Options {
  std::uint32_t processes = 0;          // > 0
  std::uint32_t nodes = 4;              // > 0
  std::string nodes_text = "4";         // as nicsim wants it: "N" or "RxC"
  std::string socket;                   // empty: a nicsim of its own
  std::string nicsim;                   // empty: look for it
  std::string model;                    // of nicsim's timing models; empty: real time
  std::vector<std::string> parameters;  // of the model: KEY=VALUE
  std::string record;                   // what a nicsim of its own records to; empty: nothing
  bool prefix = false;
  std::vector<std::string> command;  // the program and its arguments; at least one element
};

// There is nothing to run: print and exit.
struct EarlyExit {
  int exit_code;
  std::string text;  // for standard output if exit_code is 0, else for standard error
};

// Reads a command line. The first argument that is not an option of vmmcrun is the program;
// everything after it belongs to the program. A "--" before the program is skipped.
std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv);

}  // namespace vmmc::run
