// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a run says: tables on stdout, or JSON lines; progress on stderr.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "bench/ring/settings.h"
#include "bench/ring/summary.h"
#include "bench/support/machine.h"

namespace vmmc::bench {

class Report {
 public:
  explicit Report(const Settings& settings) : settings_(settings), at_start_(read_core_time()) {}

  void header(const ClockProbe& probe) const;
  void progress(const std::string& what) const;
  void file(std::uint32_t bytes, std::uint64_t frames, std::span<const FileSummary> lines) const;
  void live(std::uint32_t bytes, std::span<const LiveSummary> lines) const;
  void skipped(const std::string& what, const std::string& why) const;
  void footer() const;

 private:
  void live_json(std::uint32_t bytes, const LiveSummary& line) const;

  const Settings& settings_;
  CoreTime at_start_;
};

}  // namespace vmmc::bench
