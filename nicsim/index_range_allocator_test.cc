// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/index_range_allocator.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

using vmmc::nicsim::IndexRangeAllocator;

TEST_CASE("runs are handed out from the lowest index on and joined when they come back") {
  IndexRangeAllocator indices(10);
  CHECK(indices.allocate(4) == 0u);
  CHECK(indices.allocate(4) == 4u);
  CHECK_FALSE(indices.allocate(4).has_value());
  indices.release(0, 4);
  CHECK_FALSE(indices.allocate(5).has_value());
  indices.release(4, 4);
  CHECK(indices.allocate(10) == 0u);
}

TEST_CASE("random use never hands out an index twice and ends with everything free") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  constexpr std::uint32_t kCapacity = 500;
  IndexRangeAllocator indices(kCapacity);
  std::vector<bool> used(kCapacity);
  std::map<std::uint32_t, std::uint32_t> held;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 == 0) {
      const std::uint32_t count = 1 + random() % 20;
      if (const auto first = indices.allocate(count)) {
        for (std::uint32_t i = *first; i < *first + count; ++i) {
          REQUIRE_FALSE(used[i]);
          used[i] = true;
        }
        held[*first] = count;
      }
    } else if (!held.empty()) {
      auto run = held.begin();
      std::advance(run, random() % held.size());
      indices.release(run->first, run->second);
      for (std::uint32_t i = run->first; i < run->first + run->second; ++i) used[i] = false;
      held.erase(run);
    }
  }
  for (const auto& [first, count] : held) indices.release(first, count);
  CHECK(indices.allocate(kCapacity) == 0u);
}

TEST_CASE("a certain index is taken once, wherever it lies in a run") {
  IndexRangeAllocator indices(10);
  for (const std::uint32_t index : {0u, 9u, 5u, 6u}) {
    CHECK(indices.take(index));
    CHECK_FALSE(indices.take(index));
  }
  CHECK_FALSE(indices.take(10));
  CHECK_FALSE(indices.take(0xffffffff));
  CHECK(indices.allocate(4) == 1u);
  CHECK(indices.allocate(3) == std::nullopt);
  indices.release(5, 1);
  indices.release(6, 1);
  CHECK(indices.allocate(4) == 5u);
  CHECK(indices.allocate(1) == std::nullopt);
}
