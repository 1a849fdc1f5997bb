// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "platform/histogram.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

namespace vmmc::platform {
namespace {

TEST_CASE("an empty histogram says zero") {
  const Histogram histogram;
  CHECK(histogram.count() == 0);
  CHECK(histogram.min() == 0);
  CHECK(histogram.max() == 0);
  CHECK(histogram.sum() == 0);
  CHECK(histogram.percentile(99) == 0);
}

TEST_CASE("buckets follow each other without gap or overlap, up to the largest value") {
  CHECK(Histogram::bucket_of(0) == 0);
  for (std::size_t bucket = 0; bucket + 1 < Histogram::kBuckets; ++bucket) {
    const std::uint64_t highest = Histogram::highest_value_in(bucket);
    if (Histogram::bucket_of(highest) != bucket) FAIL_CHECK("bucket ", bucket);
    if (Histogram::bucket_of(highest + 1) != bucket + 1) FAIL_CHECK("after bucket ", bucket);
  }
  CHECK(Histogram::bucket_of(UINT64_MAX) == Histogram::kBuckets - 1);
  CHECK(Histogram::highest_value_in(Histogram::kBuckets - 1) == UINT64_MAX);
}

TEST_CASE("percentiles of random values are right within one percent") {
  const std::uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> values;
  Histogram histogram;
  for (int i = 0; i < 20000; ++i) {
    values.push_back(random() >> (random() % 60));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double percent : {0.001, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    CAPTURE(percent);
    const auto rank = static_cast<std::size_t>(std::ceil(percent / 100 * 20000));
    const auto exact = static_cast<double>(values[std::max<std::size_t>(rank, 1) - 1]);
    const auto read = static_cast<double>(histogram.percentile(percent));
    CHECK(read >= exact);
    CHECK(read <= exact * 1.01);
  }
  CHECK(histogram.sum() == std::accumulate(values.begin(), values.end(), std::uint64_t{0}));
  CHECK(histogram.max() == values.back());
  CHECK(histogram.min() == values.front());
  CHECK(histogram.percentile(100) == values.back());
}

TEST_CASE("one value is every percentile") {
  Histogram histogram;
  histogram.record(123456789);
  CHECK(histogram.percentile(0.1) == 123456789);
  CHECK(histogram.percentile(99.9) == 123456789);
}

TEST_CASE("a percentile is resolved by ten values above it") {
  Histogram histogram;
  for (int i = 0; i < 999; ++i) histogram.record(1);
  CHECK(histogram.resolves(50));
  CHECK_FALSE(histogram.resolves(99));
  histogram.record(1);
  CHECK(histogram.resolves(99));
  CHECK_FALSE(histogram.resolves(99.9));
}

TEST_CASE("merging equals recording everything in one") {
  Histogram both, one, other;
  for (std::uint64_t value = 1; value < 5000; value += 3) {
    both.record(value);
    (value % 2 == 0 ? one : other).record(value);
  }
  one.merge(other.counts(), other.exact());
  CHECK(one.count() == both.count());
  CHECK(one.min() == both.min());
  CHECK(one.max() == both.max());
  CHECK(one.sum() == both.sum());
  CHECK(std::ranges::equal(one.counts(), both.counts()));
  one.merge(Histogram().counts(), Histogram().exact());
  CHECK(one.min() == both.min());
}

}  // namespace
}  // namespace vmmc::platform
