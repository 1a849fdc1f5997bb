// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The options that nicsim with HTTP has beyond nicsim's, and the command line with which it starts itself
// anew.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nicsim/options.h"

namespace vmmc::nicsim::web {

struct WebOptions {
  std::optional<std::uint16_t> port = {};  // --http; 0: any that is free
  std::string address = "127.0.0.1";
  int listener = -1;  // --http-fd: a socket that listens already
  bool lab = false;
  std::string scene = {};  // --lab-scene

  bool wanted() const { return port.has_value() || listener >= 0; }
};

void add_web_options(CLI::App& app, WebOptions& options);

// Why these options do not go together, in a sentence; empty: they do.
std::string problem_of(const WebOptions& web, const Options& options);

struct Restart {
  std::uint32_t rows;
  std::uint32_t columns;
  std::string clock;  // "real", or a model's name
  std::string scene;
  int listener;  // a descriptor that stays open over exec
};

// Without the program's name.
std::vector<std::string> restart_arguments(const Options& options, const Restart& restart);

}  // namespace vmmc::nicsim::web
