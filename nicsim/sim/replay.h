// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Replay: what a recorded run would have cost on a machine with a timing model. No bytes are moved.
//
// Each recorded thread does its steps (replay_plan.h) one after the other. A process has one processor: its
// threads take turns on it, and one keeps it for a piece of its work, or until the interface has taken an
// operation. Work takes model.processor.compute_scale times as long as it did; an export and an import cost
// what the model's library does. All processes begin at the same time.
//
// The same recording and the same model give the same result, bit for bit, on every machine.
//
// Errors: one line, if the machine cannot hold what was exported or imported, or if the replay comes to a
// halt or to times that nobody can mean.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "nicsim/model/parameters.h"
#include "nicsim/recording/reader.h"

namespace vmmc::nicsim::sim {

struct ReplayedProcess {
  std::uint32_t node = 0;
  std::uint32_t id = 0;
  double recorded_ns = 0;   // from its attachment until it left
  double simulated_ns = 0;  // until its last thread had ended: the sum of the next three
  double work_ns = 0;       // its own
  double sending_ns = 0;  // in calls, until the interface has taken the operation; exports, imports
  double waiting_ns = 0;  // no thread could go on, or an interrupt had the processor
  std::uint64_t messages = 0;  // operations
  std::uint64_t bytes = 0;     // of them

  bool operator==(const ReplayedProcess&) const = default;
};

struct ReplayResult {
  double recorded_ns = 0;   // of the whole recording
  double simulated_ns = 0;  // until everything had happened
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t packets = 0;
  std::uint64_t refused = 0;                 // operations
  std::uint64_t waits_without_transfer = 0;  // see replay_plan.h
  std::uint64_t lost_marks = 0;              // the same
  std::string cut_off;                       // as recording::Recording
  std::vector<ReplayedProcess> processes;

  bool operator==(const ReplayResult&) const = default;
};

std::variant<ReplayResult, std::string> replay(const recording::Recording& recording,
                                               const model::TimingModel& model);

// One object, in one line.
std::string to_json(const ReplayResult& result, const std::string& model_name);
// A line for each process and one for all, times in microseconds.
std::string to_table(const ReplayResult& result, const std::string& model_name);

}  // namespace vmmc::nicsim::sim
