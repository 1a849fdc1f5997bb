// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "nicsim/sim/traffic_pattern.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <set>

namespace vmmc::nicsim::sim {
namespace {

std::uint32_t one(TrafficPattern pattern, std::uint32_t node) {
  TrafficRandom random(1);
  return TrafficDestinations(pattern, 4, 4, {}).next(node, 0, random);
}

// How often each node is the destination of 4,000 parcels of `node`.
std::map<std::uint32_t, int> many(TrafficPattern pattern, std::uint32_t node,
                                  HotSpot hot_spot = {}) {
  TrafficRandom random(1);
  const TrafficDestinations destinations(pattern, 4, 4, hot_spot);
  std::map<std::uint32_t, int> counts;
  for (std::uint64_t number = 0; number < 4000; ++number) {
    const std::uint32_t destination = destinations.next(node, number, random);
    REQUIRE(destination < 16);
    ++counts[destination];
  }
  return counts;
}

TEST_CASE("permutations") {
  CHECK(one(TrafficPattern::kTranspose, 1) == 4);
  CHECK(one(TrafficPattern::kTranspose, 14) == 11);
  CHECK(one(TrafficPattern::kTranspose, 5) == 5);
  CHECK(one(TrafficPattern::kBitReversal, 1) == 8);
  CHECK(one(TrafficPattern::kBitReversal, 0b1011) == 0b1101);
  CHECK(one(TrafficPattern::kComplement, 0) == 15);
  CHECK(one(TrafficPattern::kComplement, 6) == 9);
}

TEST_CASE("uniform: all others alike, not the node itself") {
  const auto counts = many(TrafficPattern::kUniform, 5);
  CHECK(counts.size() == 15);
  CHECK(counts.count(5) == 0);
  for (const auto& [node, count] : counts) CHECK((count > 200 && count < 340));
}

TEST_CASE("nearest neighbours: two in a corner, three at an edge, four inside") {
  const auto destinations = [](std::uint32_t node) {
    std::set<std::uint32_t> nodes;
    for (const auto& [destination, count] : many(TrafficPattern::kNearestNeighbour, node))
      nodes.insert(destination);
    return nodes;
  };
  CHECK(destinations(0) == std::set<std::uint32_t>{1, 4});
  CHECK(destinations(15) == std::set<std::uint32_t>{11, 14});
  CHECK(destinations(4) == std::set<std::uint32_t>{0, 5, 8});
  CHECK(destinations(6) == std::set<std::uint32_t>{2, 5, 7, 10});
}

TEST_CASE("hot spot: its share, and the rest as uniform") {
  const auto counts = many(TrafficPattern::kHotSpot, 5, {.node = 9, .share = 0.5});
  CHECK(counts.size() == 15);
  CHECK((counts.at(9) > 1950 && counts.at(9) < 2320));
}

TEST_CASE("all to all: each other node equally often, and not all nodes to the same one first") {
  const auto counts = many(TrafficPattern::kAllToAll, 5);
  CHECK(counts.size() == 15);
  CHECK(counts.count(5) == 0);
  for (const auto& [node, count] : counts) CHECK((count == 266 || count == 267));
  CHECK(one(TrafficPattern::kAllToAll, 5) == 6);
  CHECK(one(TrafficPattern::kAllToAll, 15) == 0);
}

TEST_CASE("a machine of one node sends to itself") {
  TrafficRandom random(1);
  for (const auto pattern :
       {TrafficPattern::kUniform, TrafficPattern::kTranspose, TrafficPattern::kBitReversal,
        TrafficPattern::kComplement, TrafficPattern::kNearestNeighbour, TrafficPattern::kHotSpot,
        TrafficPattern::kAllToAll})
    CHECK(TrafficDestinations(pattern, 1, 1, {}).next(0, 7, random) == 0);
}

TEST_CASE("names") {
  CHECK(name_of(TrafficPattern::kAllToAll) == "all-to-all");
  CHECK(pattern_named("hot-spot") == TrafficPattern::kHotSpot);
  CHECK_FALSE(pattern_named("hotspot"));
  CHECK(pattern_names() ==
        "uniform, transpose, bit-reversal, complement, nearest-neighbour, hot-spot, all-to-all");
}

TEST_CASE("exponential distribution: mean 1, and a share of 1 / e above it") {
  TrafficRandom random(1);
  double sum = 0;
  int above = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double value = random.exponential();
    REQUIRE(value >= 0);
    sum += value;
    if (value > 1) ++above;
  }
  CHECK(sum / kCount == doctest::Approx(1).epsilon(0.01));
  CHECK(above == doctest::Approx(kCount * 0.36788).epsilon(0.02));
}

}  // namespace
}  // namespace vmmc::nicsim::sim
