// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For tests: random choices.
#pragma once

#include <cstdint>

#include "nicsim/parts/split_mix.h"

namespace vmmc::nicsim::parts::testing {

class Random : public SplitMix64 {
 public:
  using SplitMix64::SplitMix64;

  // 0 to bound - 1.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
};

}  // namespace vmmc::nicsim::parts::testing
