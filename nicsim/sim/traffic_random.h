// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Random numbers that are the same on every machine: whole numbers only, up to the last step.
#pragma once

#include <bit>
#include <cstdint>

#include "nicsim/parts/split_mix.h"

namespace vmmc::nicsim::sim {

class TrafficRandom : public parts::SplitMix64 {
 public:
  using SplitMix64::SplitMix64;

  // 0 to bound - 1; 0 < bound <= 2^32. Uneven by less than bound / 2^32.
  std::uint64_t below(std::uint64_t bound) { return ((next() >> 32) * bound) >> 32; }

  // True with this probability.
  bool happens(double probability) {
    return static_cast<double>(next() >> 11) < probability * 0x1p53;
  }

  // Exponentially distributed, of mean 1, as a multiple of 2^-24 * ln 2.
  double exponential() {
    constexpr double kUnit = 0.69314718055994531 / 0x1p24;
    return static_cast<double>(minus_log2(next() | 1)) * kUnit;
  }

 private:
  // -log2(value / 2^64) in units of 2^-24, by squaring: each one yields a bit. `value` is not 0.
  static std::uint64_t minus_log2(std::uint64_t value) {
    const int width = std::bit_width(value);
    std::uint64_t mantissa = (value << (64 - width)) >> 32;  // of [1, 2), in units of 2^-31
    std::uint64_t fraction = 0;
    for (int bit = 0; bit < 24; ++bit) {
      mantissa = (mantissa * mantissa) >> 31;
      const std::uint64_t is_two = mantissa >> 32;
      mantissa >>= is_two;
      fraction = fraction << 1 | is_two;
    }
    return (std::uint64_t{65} - static_cast<std::uint64_t>(width)) * (1u << 24) - fraction;
  }
};

}  // namespace vmmc::nicsim::sim
