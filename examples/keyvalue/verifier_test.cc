// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/keyvalue/verifier.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace examples::keyvalue {
namespace {

constexpr std::size_t kMost = 200;

Reply found(std::uint64_t version, const std::string& value) {
  return {Status::kDone, version, value};
}

TEST_CASE("a value names its write, and no other bytes do") {
  const Stamp largest{~0u, ~std::uint64_t{0}};
  CHECK(make_value(~0u, largest, kLongestStamp).size() <= kLongestStamp);
  CHECK(read_stamp(~0u, make_value(~0u, largest, kLongestStamp), kLongestStamp) == largest);

  std::size_t shortest = kMost;
  std::size_t longest = 0;
  for (std::uint64_t number = 0; number < 2000; ++number) {
    const std::string value = make_value(3, {1, number}, kMost);
    REQUIRE(read_stamp(3, value, kMost) == Stamp{1, number});
    shortest = std::min(shortest, value.size());
    longest = std::max(longest, value.size());
  }
  CHECK(shortest < 15);
  CHECK(longest == kMost);
  const std::string value = make_value(3, {1, 2}, kMost);
  CHECK_FALSE(read_stamp(4, value, kMost));
  CHECK_FALSE(read_stamp(3, value + "a", kMost));
  CHECK_FALSE(read_stamp(3, "", kMost));
  for (std::size_t i = 0; i < value.size(); ++i) {
    std::string torn = value;
    torn[i] ^= 1;
    CHECK_FALSE(read_stamp(3, torn, kMost));
  }
}

TEST_CASE("newer versions and repeated ones are in order") {
  Verifier verifier(2, kMost);
  CHECK(verifier.changed(1, 1, Stamp{0, 1}) == "");
  CHECK(verifier.saw(1, found(1, make_value(1, {0, 1}, kMost))) == "");
  CHECK(verifier.saw(1, found(5, make_value(1, {7, 9}, kMost))) == "");
  CHECK(verifier.stamp(1) == Stamp{7, 9});
  CHECK(verifier.saw(1, {Status::kAbsent, 6, {}}) == "");
  CHECK(verifier.saw(1, {Status::kAbsent, 6, {}}) == "");
  CHECK_FALSE(verifier.stamp(1));
  CHECK(verifier.changed(1, 7, {}) == "");
}

TEST_CASE("every fault is called by its name") {
  const auto after_version_4 = [](const Reply& reply) {
    Verifier verifier(2, kMost);
    REQUIRE(verifier.changed(1, 4, Stamp{0, 1}) == "");
    return verifier.saw(1, reply);
  };
  CHECK(after_version_4(found(3, make_value(1, {0, 1}, kMost))) ==
        "key 1: an old version is back (version 3, seen before: 4)");
  CHECK(after_version_4(found(4, make_value(1, {0, 2}, kMost))) ==
        "key 1: one version has two values (version 4, seen before: 4)");
  CHECK(after_version_4({Status::kAbsent, 4, {}}) ==
        "key 1: one version has two values (version 4, seen before: 4)");
  CHECK(after_version_4(found(5, make_value(2, {0, 1}, kMost))) ==
        "key 1: a value nobody wrote (version 5, seen before: 4)");
  CHECK(after_version_4({Status::kAbsent, 0, {}}) == "key 1: is lost (version 0, seen before: 4)");
  Verifier verifier(2, kMost);
  CHECK(verifier.changed(1, 4, Stamp{0, 1}) == "");
  CHECK(verifier.changed(1, 4, Stamp{0, 2}) ==
        "key 1: a change made no newer version (version 4, seen before: 4)");
}

}  // namespace
}  // namespace examples::keyvalue
