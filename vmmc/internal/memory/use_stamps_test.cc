// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/use_stamps.h"

#include <doctest/doctest.h>

#include <set>

namespace vmmc::internal {
namespace {

TEST_CASE("words are 0 at first, are all different ones, and stay where they are") {
  UseStamps stamps;
  std::set<const void*> places;
  std::size_t known = 0;
  for (const std::size_t count : {1, 64, 65, 192, 193, 192, 100000}) {
    stamps.grow(count);
    for (; known < count; ++known) {
      REQUIRE(stamps[known] == 0);
      stamps[known] = known + 1;
      REQUIRE(places.insert(&stamps[known]).second);
    }
    for (std::size_t i = 0; i < known; ++i) REQUIRE(stamps[i] == i + 1);
  }
}

}  // namespace
}  // namespace vmmc::internal
