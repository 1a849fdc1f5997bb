// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/byte_set.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using vmmc::nicsim::ByteSet;
using Ranges = std::vector<ByteSet::Range>;

TEST_CASE("ranges that overlap or touch are one") {
  ByteSet set;
  set.add(10, 20);
  set.add(30, 40);
  CHECK(set.ranges() == 2);
  set.add(20, 30);
  CHECK(set.ranges() == 1);
  CHECK(set.take(0, 100) == Ranges{{10, 40}});
  CHECK(set.take(0, 100).empty());
}

TEST_CASE("taking out of the middle leaves both ends") {
  ByteSet set;
  set.add(0, 100);
  CHECK(set.take(40, 60) == Ranges{{40, 60}});
  CHECK(set.take(0, 100) == Ranges{{0, 40}, {60, 100}});
}

TEST_CASE("the set is what a bit for each byte says, for random adds and takes") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    ByteSet set;
    std::vector<bool> model(200);
    for (int step = 0; step < 60; ++step) {
      const std::uint64_t first = random() % 199;
      const std::uint64_t end = first + 1 + random() % (199 - first);
      if (random() % 3 != 0) {
        set.add(first, end);
        for (std::uint64_t i = first; i < end; ++i) model[i] = true;
        continue;
      }
      std::vector<bool> taken(200);
      for (const auto& [from, to] : set.take(first, end)) {
        for (std::uint64_t i = from; i < to; ++i) taken[i] = true;
      }
      for (std::uint64_t i = 0; i < 200; ++i) {
        const bool inside = i >= first && i < end;
        REQUIRE(taken[i] == (inside && model[i]));
        if (inside) model[i] = false;
      }
    }
  }
}

TEST_CASE("the number of ranges is bounded, and no byte that was added is lost") {
  ByteSet set;
  constexpr std::uint64_t kAdded = 5 * ByteSet::kMaxRanges;
  for (std::uint64_t i = 0; i < kAdded; ++i) {
    const std::uint64_t byte = i % 2 == 0 ? i : 2 * kAdded - i;
    set.add(3 * byte, 3 * byte + 1);
    REQUIRE(set.ranges() <= ByteSet::kMaxRanges);
  }
  for (std::uint64_t i = 0; i < kAdded; ++i) {
    const std::uint64_t byte = i % 2 == 0 ? i : 2 * kAdded - i;
    REQUIRE(set.take(3 * byte, 3 * byte + 1).size() == 1);
  }
}
