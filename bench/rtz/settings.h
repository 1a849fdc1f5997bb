// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a run is to measure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bench/rtz/port.h"
#include "bench/support/placement.h"

namespace vmmc::bench {

// What goes on beside the messages.
struct Condition {
  bool bulk;
  bool load;
};
const char* condition_name(Condition condition);

// A way of waiting, with or without SCHED_FIFO.
struct Manner {
  bool spin;
  bool fifo;
};
const char* manner_name(Manner manner);

struct Settings {
  std::vector<Contestant> contestants;
  std::vector<std::uint32_t> sizes;
  std::vector<Condition> conditions;
  std::vector<Manner> manners;
  std::uint64_t rate = 0;           // packets per second
  std::uint64_t samples = 0;        // of each contestant, manner and condition
  std::uint64_t other_samples = 0;  // the same of all sizes but the first
  std::uint64_t round = 0;          // ns
  std::uint64_t deadline = 0;       // ns
  std::uint64_t probe = 0;          // ns that the machine is watched before
  Placement placement = Placement::kNone;
  bool ping_pong = true;
  bool late_table = false;  // how many were how late
  bool json = false;

  // Messages per second; as many packets of each size.
  std::uint64_t rate_of(std::uint32_t bytes) const {
    return std::max<std::uint64_t>(rate / packets_of(bytes), 1);
  }
  bool has(Contestant contestant) const;
  bool uses_vmmc() const;
};

// The settings, or the status to end with.
std::variant<Settings, int> parse_settings(int argc, char** argv);

}  // namespace vmmc::bench
