// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The report on stdout: tables to read, or one JSON object per line. Every line of results names
// the executor that carried its messages, as the library counted it.
//
// Threads: one. Times in nanoseconds unless a name says otherwise.
#pragma once

#include <cstdint>
#include <string>

#include "bench/pingpong/options.h"
#include "bench/pingpong/tasks.h"
#include "bench/support/machine.h"
#include "vmmc/vmmc.h"

namespace vmmc::bench {

// Notes who carries the sends between two moments.
class ExecutorWatch {
 public:
  ExecutorWatch();
  std::string used() const;  // "nic", "host", "nic and host"; "none" without a send

 private:
  vmmc_counters before_{};
};

class Report {
 public:
  explicit Report(const Options& options);

  // `probe`: of a moment when the other process was still waiting to be connected.
  void header(const std::string& placement, const ClockProbe& probe);
  void pingpong(std::uint64_t bytes, const platform::Histogram& round_trips,
                const std::string& executor);
  void bandwidth(const BurstPlan& plan, const BurstResult& result, const std::string& executor);
  void rate(const BurstPlan& plan, const BurstResult& result, const std::string& executor);
  void fixed_rate(std::uint64_t bytes, std::uint64_t count, const FixedRateResult& result,
                  const std::string& executor);
  void footer();

 private:
  // Prints the head of a table once, when its first line comes.
  void begin_table(const char* name, const char* head);

  const Options& options_;
  std::string table_;
  CoreTime at_start_;
};

// "4", "16Ki", "1Mi".
std::string format_size(std::uint64_t bytes);

}  // namespace vmmc::bench
