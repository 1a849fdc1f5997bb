// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a run says: tables on stdout, or JSON lines; progress on stderr.
#pragma once

#include <span>
#include <string>

#include "bench/rtz/cell.h"
#include "bench/rtz/settings.h"
#include "bench/support/machine.h"

namespace vmmc::bench {

class Report {
 public:
  explicit Report(const Settings& settings) : settings_(settings), at_start_(read_core_time()) {}

  void header(const std::string& placement, const ClockProbe& probe) const;
  void progress(const std::string& what) const;
  // `bulk_rate`: GB/s of the bulk transfer meanwhile.
  void one_way(std::uint32_t bytes, Condition condition, std::span<const Cell> cells,
               double bulk_rate) const;
  void ping_pong(std::uint32_t bytes, std::span<const Cell> cells) const;
  void fifo(bool refused) const;
  void footer() const;

 private:
  void one_way_line(const Cell& cell, const Cell* udp) const;
  void late_table(std::span<const Cell> cells) const;
  void json_line(const char* type, std::uint32_t bytes, const char* condition, const Cell& cell,
                 const Cell* udp) const;

  const Settings& settings_;
  CoreTime at_start_;
};

}  // namespace vmmc::bench
