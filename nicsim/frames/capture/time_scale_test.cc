// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/capture/time_scale.h"

#include <doctest/doctest.h>

namespace vmmc::nicsim::capture {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint8_t kTwo = 0x80;

std::uint64_t nanoseconds(std::uint8_t resolution, std::int64_t offset, std::uint64_t stamp) {
  const auto scale = TimeScale::make(resolution, offset);
  REQUIRE(scale);
  return scale->nanoseconds(stamp);
}

TEST_CASE("powers of ten") {
  CHECK(TimeScale().nanoseconds(7) == 7000);
  CHECK(nanoseconds(0, 0, 7) == 7 * kSecond);
  CHECK(nanoseconds(3, 0, 1'600'000'000'123) == 1'600'000'000'123'000'000);
  CHECK(nanoseconds(6, 0, 1'600'000'000'123'456) == 1'600'000'000'123'456'000);
  CHECK(nanoseconds(9, 0, UINT64_MAX) == UINT64_MAX);
  CHECK(nanoseconds(9, 0, 1'600'000'000'123'456'789) == 1'600'000'000'123'456'789);
  CHECK(nanoseconds(12, 0, 5'000'000'001'999) == 5 * kSecond + 1);
  CHECK(nanoseconds(19, 0, 10'000'000'000'000'000'000U) == kSecond);
  CHECK(!TimeScale::make(20, 0));
}

TEST_CASE("powers of two") {
  CHECK(nanoseconds(kTwo | 0, 0, 3) == 3 * kSecond);
  CHECK(nanoseconds(kTwo | 10, 0, 1024 + 256) == kSecond + kSecond / 4);
  CHECK(nanoseconds(kTwo | 32, 0, (std::uint64_t{7} << 32) + (1U << 31)) ==
        7 * kSecond + kSecond / 2);
  CHECK(nanoseconds(kTwo | 63, 0, (std::uint64_t{1} << 63) - 1) == kSecond - 1);
  CHECK(!TimeScale::make(kTwo | 64, 0));
}

TEST_CASE("offsets, and what does not fit") {
  CHECK(nanoseconds(9, 10, 0) == 10 * kSecond);
  CHECK(nanoseconds(6, -1, 1'500'000) == kSecond / 2);
  CHECK(nanoseconds(6, -2, 1'500'000) == 0);
  CHECK(nanoseconds(6, INT64_MIN, 5) == 0);
  CHECK(nanoseconds(6, INT64_MAX, UINT64_MAX) == UINT64_MAX);
  CHECK(nanoseconds(0, 0, UINT64_MAX) == UINT64_MAX);
  CHECK(nanoseconds(6, 0, UINT64_MAX / 1000 - 1) == UINT64_MAX / 1000 * 1000 - 1000);
  CHECK(nanoseconds(6, 0, UINT64_MAX / 1000 + 1) == UINT64_MAX);
}

}  // namespace
}  // namespace vmmc::nicsim::capture
