// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a run is to measure.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "bench/ring/receiver.h"

namespace vmmc::bench {

struct Settings {
  std::vector<Contestant> contestants;
  std::vector<std::uint32_t> sizes;  // of frames
  std::uint64_t file_bytes = 0;      // of a capture file, about
  std::uint64_t rounds = 0;
  std::uint64_t duration = 0;     // ns of a trial at an interface
  std::uint64_t steps = 0;        // of a bisection
  std::uint64_t common_rate = 0;  // frames per second for the costs of a frame
  bool file = true;
  bool live = true;
  bool json = false;

  bool has(Contestant contestant) const;
};

// The settings, or the status to end with.
std::variant<Settings, int> parse_settings(int argc, char** argv);

}  // namespace vmmc::bench
