// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/staging_area.h"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

using namespace vmmc::internal;

TEST_CASE("claims are disjoint, consecutive and the lowest free ones") {
  StagingArea area;
  const auto first = area.claim(1);
  const auto second = area.claim(StagingArea::kBlockBytes + 1);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->offset == 0);
  CHECK(first->blocks == 1);
  CHECK(second->offset == StagingArea::kBlockBytes);
  CHECK(second->blocks == 6);
  area.give_back(first->blocks);
  CHECK(area.claim(2 * StagingArea::kBlockBytes)->offset == 3 * StagingArea::kBlockBytes);
  CHECK(area.claim(StagingArea::kBlockBytes)->offset == 0);
}

TEST_CASE("a full area says so, and has room again when blocks are given back") {
  StagingArea area;
  for (int i = 0; i < 4; ++i) REQUIRE(area.claim(StagingArea::kLargestClaim));
  CHECK_FALSE(area.claim(1));
  area.give_back(std::uint64_t{1} << 63);
  const auto last = area.claim(1);
  REQUIRE(last);
  CHECK(last->offset == 63 * StagingArea::kBlockBytes);
}

TEST_CASE("threads never hold the same block") {
  StagingArea area;
  std::array<std::atomic<int>, StagingArea::kBlocks> holders{};
  std::atomic<int> clashes{0};
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint32_t n = 0; n < 30000; ++n) {
        const auto claim = area.claim(1 + (n * 7919 + t * 104729) % StagingArea::kLargestClaim);
        if (!claim) continue;
        for (std::uint32_t b = 0; b < StagingArea::kBlocks; ++b) {
          if ((claim->blocks >> b & 1) != 0 && holders[b].fetch_add(1) != 0) ++clashes;
        }
        for (std::uint32_t b = 0; b < StagingArea::kBlocks; ++b) {
          if ((claim->blocks >> b & 1) != 0) holders[b].fetch_sub(1);
        }
        area.give_back(claim->blocks);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(clashes == 0);
}
