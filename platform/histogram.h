// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A log-linear histogram of durations: every power of two is divided into 128 buckets of equal
// width, so a value read back is wrong by less than 1 / 128 (0.8 %) of itself, at any size, in a
// fixed amount of memory.
//
// Units: whatever the caller counts, here always nanoseconds. Values are whole numbers of 64 bits.
// Threads: none of its own; one writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vmmc::platform {

class Histogram {
 public:
  static constexpr unsigned kSubBits = 7;  // 2^7 buckets in each power of two
  static constexpr std::size_t kBuckets = (64 - kSubBits + 1) << kSubBits;

  Histogram() : counts_(kBuckets) {}

  void record(std::uint64_t value) {
    ++counts_[bucket_of(value)];
    ++count_;
    sum_ += value;
    if (value > max_) max_ = value;
    if (value < min_) min_ = value;
  }

  std::uint64_t count() const { return count_; }
  std::uint64_t sum() const { return sum_; }                    // exact; modulo 2^64
  std::uint64_t max() const { return max_; }                    // exact; 0 when empty
  std::uint64_t min() const { return count_ == 0 ? 0 : min_; }  // exact; 0 when empty

  // The smallest recorded value, up to the width of a bucket, such that `percent` of all values are
  // not above it. 0 < percent <= 100. Never above max(). 0 when empty.
  std::uint64_t percentile(double percent) const;

  // True if at least ten values lie above the percentile: below that it says nothing that max()
  // does not.
  bool resolves(double percent) const;

  // For sending a histogram elsewhere: its buckets, and what they leave out.
  std::span<const std::uint64_t> counts() const { return counts_; }
  // Adds the buckets of another histogram with what is exact of it. `counts` has kBuckets elements.
  struct Exact {
    std::uint64_t min;
    std::uint64_t max;
    std::uint64_t sum;
  };
  Exact exact() const { return {min(), max(), sum()}; }
  void merge(std::span<const std::uint64_t> counts, const Exact& exact);

  static std::size_t bucket_of(std::uint64_t value);
  static std::uint64_t highest_value_in(std::size_t bucket);

 private:
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
  std::uint64_t min_ = UINT64_MAX;
};

}  // namespace vmmc::platform
