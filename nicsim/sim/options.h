// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of simulate.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "nicsim/model/model_file.h"
#include "nicsim/sim/machine_traffic.h"
#include "nicsim/sim/traffic.h"

namespace vmmc::nicsim::sim {

struct ReplayOptions {
  std::string file;
  model::Model model;
  std::string json;  // a file; empty: none
};

struct TrafficOptions {
  TrafficSettings settings;
  std::string model_name;
  std::vector<double> loads;  // at least one
  std::string json;           // a file; empty: none
  std::string plot;           // the same
};

// Through whole nodes, where `traffic` goes through the backplane alone.
struct UpdatesOptions {
  MachineTrafficSettings settings;
  std::string model_name;
  std::vector<double> offers;  // MB/s of each node; at least one
  std::string json;            // a file; empty: none
  std::string plot;            // the same
};

// To be printed, a line for each record.
struct RecordingOptions {
  std::string file;
};

// What each way to initiate a transfer costs.
struct InitiationOptions {
  model::Model model;
};

using SimulateOptions = std::variant<ReplayOptions, TrafficOptions, UpdatesOptions,
                                     RecordingOptions, InitiationOptions>;

// The options, or the exit status with which the program shall end at once: what was asked for (--help), or
// the mistake in one line, has been printed.
std::variant<SimulateOptions, int> parse_options(int argc, const char* const* argv);

// "0.05:0.95:0.05": from, to, step. Empty if it is not that, or more than 1000 of them.
std::vector<double> parse_range(const std::string& text);

}  // namespace vmmc::nicsim::sim
