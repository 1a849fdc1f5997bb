// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What vmmcdump says of itself: the live figures and the last line.
#pragma once

#include <cstdint>
#include <string>

#include "vmmc/ring.h"

namespace vmmc::dump {

struct Progress {
  std::uint64_t captured = 0;  // frames that went through the filter
  std::uint64_t filtered = 0;  // frames that did not, here; the kernel's filter counts none
  std::uint64_t bytes = 0;     // of the captured ones
  vmmc_ring_counters ring{};
};

// "1200 frames, 400 frames/s, 0.3 MB/s, dropped 0 by ring, 0 by source", of what happened in `seconds`.
std::string live_line(const Progress& before, const Progress& now, double seconds);

// "12 frames captured, 3 dropped by ring, 0 by source".
std::string final_line(const Progress& progress);

}  // namespace vmmc::dump
