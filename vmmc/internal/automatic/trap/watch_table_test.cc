// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/trap/watch_table.h"

#include <doctest/doctest.h>

namespace vmmc::internal {
namespace {

constexpr std::size_t kPage = wire::kPageSize;

Watch watch(std::uintptr_t first, std::uintptr_t end) {
  return {{first * kPage, end * kPage}, nullptr, nullptr};
}

TEST_CASE("an address is found in the watch on its page, and nowhere else") {
  const WatchTable table = WatchTable().with(watch(10, 12)).with(watch(4, 5)).with(watch(12, 13));
  CHECK(table.find(4 * kPage - 1) == nullptr);
  REQUIRE(table.find(4 * kPage) != nullptr);
  CHECK(table.find(4 * kPage)->pages == watch(4, 5).pages);
  CHECK(table.find(5 * kPage - 1) == table.find(4 * kPage));
  CHECK(table.find(5 * kPage) == nullptr);
  REQUIRE(table.find(11 * kPage) != nullptr);
  CHECK(table.find(11 * kPage)->pages == watch(10, 12).pages);
  REQUIRE(table.find(12 * kPage) != nullptr);
  CHECK(table.find(12 * kPage)->pages == watch(12, 13).pages);
  CHECK(table.find(13 * kPage) == nullptr);
  CHECK(table.find(0) == nullptr);
  CHECK(WatchTable().find(4 * kPage) == nullptr);
}

TEST_CASE("a table without a watch still has the others") {
  const WatchTable table = WatchTable().with(watch(4, 6)).with(watch(6, 8));
  CHECK(table.has(watch(4, 6).pages));
  CHECK_FALSE(table.has(watch(4, 8).pages));
  CHECK_FALSE(table.has(watch(5, 6).pages));
  const WatchTable less = table.without(watch(4, 6).pages);
  CHECK_FALSE(less.has(watch(4, 6).pages));
  CHECK(less.has(watch(6, 8).pages));
  CHECK(less.find(5 * kPage) == nullptr);
}

TEST_CASE("pages overlap what is watched, or do not") {
  const WatchTable table = WatchTable().with(watch(4, 6)).with(watch(10, 12));
  CHECK(table.overlaps(watch(5, 7).pages));
  CHECK(table.overlaps(watch(0, 20).pages));
  CHECK(table.overlaps(watch(11, 12).pages));
  CHECK_FALSE(table.overlaps(watch(6, 10).pages));
  CHECK_FALSE(table.overlaps(watch(0, 4).pages));
}

TEST_CASE("the alias of an address is as far into the other mapping") {
  alignas(kPage) static std::byte other[2 * kPage];
  const Watch one{{16 * kPage, 18 * kPage}, other, nullptr};
  CHECK(one.alias_of(17 * kPage + 5) == other + kPage + 5);
}

}  // namespace
}  // namespace vmmc::internal
