// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// nicsim's command line.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "nicsim/log.h"
#include "nicsim/model/parameters.h"
#include "nicsim/real_time/admission.h"

namespace CLI {
class App;
}

namespace vmmc::nicsim {

// How the nodes stand in the mesh.
struct Shape {
  std::uint32_t rows;
  std::uint32_t columns;
  std::uint32_t nodes() const { return rows * columns; }
};

struct Options {
  std::string socket;  // the user's default if not given
  Shape shape{2, 2};
  std::optional<model::TimingModel> model;  // none: real time
  std::string model_name = "none";
  std::uint32_t expected_processes = 0;  // that attach before simulated time begins
  std::string record;                    // the file to record to; empty: none
  bool record_overwrite = false;         // even if it holds something
  std::string trace;                     // the file to trace to; empty: no trace from the start
  bool trace_overwrite = false;
  std::uint64_t trace_records = 0;  // of the ring; 0: Trace::kDefaultRecords
  real_time::AdmissionLimits real_time;
  bool foreground = false;
  bool leave_with_last_client = false;
  bool any_user = false;
  int ready_fd = -1;
  LogLevel log_level = LogLevel::kWarning;
};

// The default socket: in the abstract namespace, one per user. libvmmc uses the same.
std::string default_socket();

// The options, or the exit status with which nicsim shall end at once (after --help, --version,
// --list-models, --show-model or a mistake, which have been printed). `add_more` adds the options of an
// extension.
std::variant<Options, int> parse_options(int argc, char** argv,
                                         const std::function<void(CLI::App&)>& add_more = nullptr);

// "2x3", or a number of nodes, which becomes the most square shape of so many: 6 is 2x3, 7 is 1x7.
// Nothing if it is neither, or over the limit of 4096 nodes.
std::optional<Shape> parse_shape(const std::string& text);

}  // namespace vmmc::nicsim
