// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/radixsort/plan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

namespace examples::radixsort {
namespace {

constexpr Digit kLow{0, 4};

TEST_CASE("blocks cover the array one behind the other, the last ones shorter or empty") {
  for (const std::uint32_t ranks : {1u, 2u, 3u, 4u, 7u}) {
    for (const std::uint32_t keys : {1u, 2u, 5u, 8u, 1000u}) {
      CAPTURE(ranks);
      CAPTURE(keys);
      const Blocks blocks(keys, ranks);
      std::uint32_t position = 0;
      for (std::uint32_t rank = 0; rank < ranks; ++rank) {
        CHECK(blocks.first(rank) == position);
        for (std::uint32_t index = 0; index < blocks.count(rank); ++index, ++position) {
          const Place place = blocks.place_of(position);
          CHECK(place.rank == rank);
          CHECK(place.index == index);
        }
      }
      CHECK(position == keys);
    }
  }
  CHECK(Blocks(5, 4).count(2) == 1);
  CHECK(Blocks(5, 4).count(3) == 0);
}

TEST_CASE("a digit is the bits of the key that the pass is for") {
  CHECK(Digit{0, 8}.of(0x12345678) == 0x78);
  CHECK(Digit{24, 8}.of(0x12345678) == 0x12);
  CHECK(Digit{22, 11}.of(0xffffffff) == 0x3ff);  // the last of three passes has fewer bits
}

TEST_CASE("positions follow the value of the digit first, then the rank") {
  const std::vector<std::uint32_t> all{2, 0, 1, 3,   // rank 0
                                       1, 1, 0, 2};  // rank 1
  CHECK(first_positions(all, {0, 2}, 0) == std::vector<std::uint32_t>{0, 3, 4, 5});
  CHECK(first_positions(all, {0, 2}, 1) == std::vector<std::uint32_t>{2, 3, 5, 8});
}

TEST_CASE("gathering orders by the digit and keeps the order of equals") {
  const std::vector<Key> keys{0x13, 0x21, 0x03, 0x11, 0x20};
  std::vector<Key> gathered(keys.size());
  gather(keys, kLow, count_digits(keys, kLow), gathered);
  CHECK(gathered == std::vector<Key>{0x20, 0x21, 0x11, 0x13, 0x03});
}

TEST_CASE("runs are cut where blocks end") {
  const Blocks blocks(10, 4);  // 3, 3, 3, 1
  const auto runs = plan_runs(std::vector<std::uint32_t>{2, 9}, {6, 1}, blocks);
  REQUIRE(runs.size() == 4);
  for (const std::uint32_t i : {0u, 1u, 2u, 3u}) CHECK(runs[i].to.rank == i);
  const std::vector<std::uint32_t> indices{2, 0, 0, 0}, counts{1, 3, 2, 1}, gathered{0, 1, 4, 6};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    CHECK(runs[i].to.index == indices[i]);
    CHECK(runs[i].count == counts[i]);
    CHECK(runs[i].gathered == gathered[i]);
  }
}

// One pass of all ranks, played here.
std::vector<Key> pass(const std::vector<Key>& keys, Digit digit, const Blocks& blocks) {
  std::vector<std::uint32_t> all;
  for (std::uint32_t rank = 0; rank < blocks.ranks(); ++rank) {
    const Histogram histogram = count_digits(blocks.of(keys, rank), digit);
    all.insert(all.end(), histogram.begin(), histogram.end());
  }
  std::vector<Key> result(keys.size());
  for (std::uint32_t rank = 0; rank < blocks.ranks(); ++rank) {
    const auto mine = blocks.of(keys, rank);
    const Histogram histogram = count_digits(mine, digit);
    std::vector<Key> gathered(mine.size());
    gather(mine, digit, histogram, gathered);
    for (const Run& run : plan_runs(first_positions(all, digit, rank), histogram, blocks)) {
      REQUIRE(run.to.index + run.count <= blocks.count(run.to.rank));
      std::copy_n(&gathered[run.gathered], run.count,
                  &result[blocks.first(run.to.rank) + run.to.index]);
    }
  }
  return result;
}

TEST_CASE("passes over all digits sort, for any number of ranks, keys and bits") {
  for (const unsigned bits : {1u, 8u, 11u}) {
    for (const std::uint32_t ranks : {1u, 3u, 4u}) {
      for (const std::uint32_t count : {1u, 2u, 997u}) {
        CAPTURE(bits);
        CAPTURE(ranks);
        CAPTURE(count);
        std::vector<Key> keys(count);
        for (std::uint32_t i = 0; i < count; ++i) keys[i] = key_at(7, i);
        std::vector<Key> expected = keys;
        std::sort(expected.begin(), expected.end());
        for (unsigned shift = 0; shift < 32; shift += bits) {
          keys = pass(keys, {shift, bits}, Blocks(count, ranks));
        }
        CHECK(keys == expected);
      }
    }
  }
}

}  // namespace
}  // namespace examples::radixsort
