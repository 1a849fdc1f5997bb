// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The buckets of wire::ChannelDemand::latencies: below 16 ns one for each value, above 16 of equal
// width in each power of two, up to 2^35 ns (34 s), which the last one holds with all above it. The
// middle of a bucket is within 3.2 percent of whatever is in it.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>

#include "nicsim/wire/real_time_channel.h"

namespace vmmc::wire {

inline constexpr unsigned kLatencySubBits = 4;
inline constexpr std::uint64_t kLatencySubBuckets = 1u << kLatencySubBits;

constexpr std::uint32_t latency_bucket(std::uint64_t latency) {
  if (latency < kLatencySubBuckets) return static_cast<std::uint32_t>(latency);
  const auto shift = static_cast<unsigned>(std::bit_width(latency)) - kLatencySubBits - 1;
  const std::uint64_t bucket = (std::uint64_t{shift} << kLatencySubBits) + (latency >> shift);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(bucket, kLatencyBuckets - 1));
}

// The middle of a bucket.
constexpr std::uint64_t latency_of_bucket(std::uint32_t bucket) {
  if (bucket < kLatencySubBuckets) return bucket;
  const unsigned shift = (bucket >> kLatencySubBits) - 1;
  const std::uint64_t first = (bucket & (kLatencySubBuckets - 1)) | kLatencySubBuckets;
  return (first << shift) + ((std::uint64_t{1} << shift) >> 1);
}

// What a receiver has counted, each read once. It may say anything: no sum overflows.
class LatencyCounts {
 public:
  explicit LatencyCounts(const ChannelDemand& demand) {
    for (std::uint32_t bucket = 0; bucket < kLatencyBuckets; ++bucket) {
      counts_[bucket] =
          std::min(demand.latencies[bucket].load(std::memory_order_relaxed), kMostCounted);
      total_ += counts_[bucket];
    }
  }
  // The latency that `share` (0 .. 1) of those counted did not exceed; 0: none was counted.
  std::uint64_t of_share(double share) const {
    if (total_ == 0) return 0;
    const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total_)));
    const std::uint64_t rank = std::clamp<std::uint64_t>(wanted, 1, total_);
    std::uint64_t passed = 0;
    std::uint32_t bucket = 0;
    while ((passed += counts_[bucket]) < rank && bucket + 1 < kLatencyBuckets) ++bucket;
    return latency_of_bucket(bucket);
  }

 private:
  static constexpr std::uint64_t kMostCounted = std::uint64_t{1} << 50;  // in a bucket
  std::uint64_t counts_[kLatencyBuckets];
  std::uint64_t total_ = 0;
};

inline std::uint64_t latency_of_share(const ChannelDemand& demand, double share) {
  return LatencyCounts(demand).of_share(share);
}

}  // namespace vmmc::wire
