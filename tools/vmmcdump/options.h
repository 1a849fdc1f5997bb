// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of vmmcdump.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "vmmc/ring.h"

namespace vmmc::dump {

enum class Source : std::uint8_t {
  kInterface,  // `name`; empty: of all
  kFile,       // `name`; "-": standard input
  kBackplane,  // of `node`, or VMMC_ANY
  kJoin,       // the ring `ring` that `opener` has opened
};

struct Options {
  Source source = Source::kFile;
  std::string name;
  std::uint32_t node = VMMC_ANY;
  vmmc_identity opener{};
  std::uint32_t ring = 1;  // the id of the ring that is opened or joined
  vmmc_ring_options ring_options = VMMC_RING_DEFAULTS;
  std::string socket;  // empty: as vmmc_init chooses
  std::string filter;  // libpcap's expression; empty: every frame
  std::string output;  // pcapng; "-": standard output; empty: none
  bool overwrite = false;
  std::uint64_t count = UINT64_MAX;  // end after so many frames
  bool quiet = false;
  bool hex = false;

  bool prints_frames() const { return output.empty() && !quiet; }
};

// There is nothing to do: print and exit.
struct EarlyExit {
  int exit_code;
  std::string text;  // for standard output if exit_code is 0, else for standard error
};

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv);

}  // namespace vmmc::dump
