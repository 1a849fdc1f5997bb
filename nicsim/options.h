// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// nicsim's command line.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "nicsim/log.h"

namespace vmmc::nicsim {

struct Options {
  std::string socket;  // the user's default if not given
  std::uint32_t nodes = 4;
  bool foreground = false;
  bool leave_with_last_client = false;
  bool any_user = false;
  int ready_fd = -1;
  LogLevel log_level = LogLevel::kWarning;
};

// The default socket: in the abstract namespace, one per user. libvmmc uses the same.
std::string default_socket();

// The options, or the exit status with which nicsim shall end at once (after --help, --version or a
// mistake, which have been printed).
std::variant<Options, int> parse_options(int argc, char** argv);

// "6" or "2x3" as a number of nodes; 0 if it is neither or over the limit of 4096.
std::uint32_t parse_nodes(const std::string& text);

}  // namespace vmmc::nicsim
