// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Durations, counted in buckets: each power of two has 128, so a percentile is too high by less than
// 1 / 128 of itself. The maximum is exact.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vmmc::nicsim::sim {

class TrafficLatencies {
 public:
  void record(std::uint64_t duration) {
    ++counts_[bucket_of(duration)];
    ++count_;
    max_ = std::max(max_, duration);
  }

  std::uint64_t max() const { return max_; }

  // So many percent of the durations, 0 < percent <= 100, are not longer. 0 if there are none.
  std::uint64_t percentile(unsigned percent) const {
    const std::uint64_t wanted = (count_ * percent + 99) / 100;
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; seen < wanted; ++bucket) {
      seen += counts_[bucket];
      if (seen >= wanted) return std::min(highest_in(bucket), max_);
    }
    return 0;
  }

 private:
  static constexpr unsigned kBits = 7;

  static std::size_t bucket_of(std::uint64_t value) {
    const unsigned width = static_cast<unsigned>(std::bit_width(value));
    const unsigned shift = width > kBits + 1 ? width - (kBits + 1) : 0;
    return (std::size_t{shift} << kBits) + (value >> shift);
  }
  static std::uint64_t highest_in(std::size_t bucket) {
    if (bucket < (std::size_t{2} << kBits)) return bucket;
    const unsigned shift = static_cast<unsigned>(bucket >> kBits) - 1;
    const std::uint64_t leading = bucket - (std::size_t{shift} << kBits);
    return (leading << shift) + ((std::uint64_t{1} << shift) - 1);
  }

  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>((64 - kBits + 1) << kBits);
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace vmmc::nicsim::sim
