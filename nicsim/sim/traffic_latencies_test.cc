// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "nicsim/sim/traffic_latencies.h"

#include <doctest/doctest.h>

#include <cstdint>

namespace vmmc::nicsim::sim {
namespace {

TEST_CASE("without durations everything is 0") {
  const TrafficLatencies latencies;
  CHECK(latencies.percentile(50) == 0);
  CHECK(latencies.max() == 0);
}

TEST_CASE("percentiles of small durations are exact") {
  TrafficLatencies latencies;
  for (std::uint64_t value = 1; value <= 200; ++value) latencies.record(value);
  CHECK(latencies.percentile(1) == 2);
  CHECK(latencies.percentile(50) == 100);
  CHECK(latencies.percentile(99) == 198);
  CHECK(latencies.percentile(100) == 200);
}

TEST_CASE(
    "percentiles of any size are too high by less than 1 / 128, and never above the maximum") {
  for (std::uint64_t value = 1; value < UINT64_MAX / 3; value = value * 3 + 1) {
    TrafficLatencies latencies;
    latencies.record(value);
    latencies.record(value * 2);
    CHECK(latencies.percentile(50) >= value);
    CHECK(latencies.percentile(50) - value <= value / 128);
    CHECK(latencies.percentile(99) == value * 2);
    CHECK(latencies.max() == value * 2);
  }
  TrafficLatencies latencies;
  latencies.record(UINT64_MAX);
  CHECK(latencies.percentile(50) == UINT64_MAX);
}

}  // namespace
}  // namespace vmmc::nicsim::sim
