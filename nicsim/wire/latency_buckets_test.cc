// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/wire/latency_buckets.h"

#include <doctest/doctest.h>

#include <memory>

using namespace vmmc;
using wire::latency_bucket;
using wire::latency_of_bucket;
using wire::latency_of_share;

TEST_CASE("the middle of a latency's bucket is within 4 percent of it") {
  std::uint32_t last = 0;
  for (std::uint64_t value = 0; value < std::uint64_t{1} << 35; value += 1 + value / 97) {
    const std::uint32_t bucket = latency_bucket(value);
    REQUIRE(bucket < wire::kLatencyBuckets);
    REQUIRE(bucket >= last);
    last = bucket;
    const std::uint64_t middle = latency_of_bucket(bucket);
    const std::uint64_t error = middle > value ? middle - value : value - middle;
    REQUIRE(error * 100 <= value * 4);
    REQUIRE(latency_bucket(middle) == bucket);
  }
  CHECK(last == wire::kLatencyBuckets - 1);
  CHECK(latency_bucket(UINT64_MAX) == wire::kLatencyBuckets - 1);
}

TEST_CASE("a share of the latencies is not above what is said") {
  const auto demand = std::make_unique<wire::ChannelDemand>();
  CHECK(latency_of_share(*demand, 0.5) == 0);
  for (std::uint64_t value = 1; value <= 1000; ++value) {
    ++demand->latencies[latency_bucket(value * 100)];
  }
  for (const double share : {0.001, 0.1, 0.5, 0.99, 0.9999, 1.0}) {
    CHECK(static_cast<double>(latency_of_share(*demand, share)) ==
          doctest::Approx(share * 100'000).epsilon(0.041));
  }
  CHECK(latency_of_share(*demand, 0) == latency_of_share(*demand, 0.001));
}

TEST_CASE("whatever stands in the buckets, there is an answer") {
  const auto demand = std::make_unique<wire::ChannelDemand>();
  for (auto& count : demand->latencies) count = UINT64_MAX;
  for (const double share : {0.0, 0.5, 1.0}) {
    CHECK(latency_of_share(*demand, share) <= latency_of_bucket(wire::kLatencyBuckets - 1));
  }
  CHECK(latency_of_share(*demand, 1) == latency_of_bucket(wire::kLatencyBuckets - 1));
}
