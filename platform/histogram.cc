// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "platform/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace vmmc::platform {

// Values below 2^(kSubBits + 1) have a bucket of their own. Above, the leading one bit and the
// kSubBits bits after it choose the bucket.
std::size_t Histogram::bucket_of(std::uint64_t value) {
  const unsigned width = static_cast<unsigned>(std::bit_width(value));
  if (width <= kSubBits + 1) return value;
  const unsigned shift = width - (kSubBits + 1);
  return (std::size_t{shift} << kSubBits) + (value >> shift);
}

std::uint64_t Histogram::highest_value_in(std::size_t bucket) {
  if (bucket < (std::size_t{2} << kSubBits)) return bucket;
  const unsigned shift = static_cast<unsigned>(bucket >> kSubBits) - 1;
  const std::uint64_t leading = (bucket & ((1u << kSubBits) - 1)) | (1u << kSubBits);
  return (leading << shift) + ((std::uint64_t{1} << shift) - 1);
}

std::uint64_t Histogram::percentile(double percent) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(percent / 100.0 * static_cast<double>(count_));
  const auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    seen += counts_[bucket];
    if (seen >= rank) return std::clamp(highest_value_in(bucket), min_, max_);
  }
  return max_;
}

bool Histogram::resolves(double percent) const {
  return static_cast<double>(count_) * (100.0 - percent) / 100.0 >= 10.0 - 1e-6;
}

void Histogram::merge(std::span<const std::uint64_t> counts, const Exact& exact) {
  std::uint64_t added = 0;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    counts_[bucket] += counts[bucket];
    added += counts[bucket];
  }
  if (added == 0) return;
  count_ += added;
  sum_ += exact.sum;
  min_ = std::min(min_, exact.min);
  max_ = std::max(max_, exact.max);
}

}  // namespace vmmc::platform
