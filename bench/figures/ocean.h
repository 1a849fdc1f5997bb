// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A program like Ocean above NX, in simulated time: a grid of points of 8 bytes, cut into horizontal
// strips, one for each node. In each iteration every process exchanges the rows at its edges with its
// neighbours and works on its points; then the greatest change is found among all, in log2(n) steps.
//
// The rows are real and checked: each tells its iteration and its process.
#pragma once

#include <cstdint>

#include "bench/figures/measures.h"

namespace vmmc::figures {

struct OceanOptions {
  std::uint32_t nodes = 16;    // a power of two
  std::uint32_t points = 512;  // in each direction: a row is too long for a small message of NX
  std::uint32_t iterations = 20;
};

// Simulated us, set-up not counted.
double ocean_us(const TimingModel& model, const LibraryCosts& costs, const OceanOptions& options);

}  // namespace vmmc::figures
