// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/initiation/interleavings.h"

#include <doctest/doctest.h>

#include <array>
#include <compare>
#include <string>
#include <vector>

using namespace vmmc::nicsim::parts::initiation;

namespace {

// Two processes add 1 to a counter: a load, then a store; or both at once.
struct Counting {
  std::array<int, 2> steps{};
  std::array<int, 2> loaded{};
  int counter = 0;
  auto operator<=>(const Counting&) const = default;
};

std::vector<Move<Counting>> moves_of(const Counting& world, bool at_once) {
  std::vector<Move<Counting>> moves;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string who = i == 0 ? "one" : "other";
    Counting next = world;
    if (world.steps[i] == 0) {
      next.loaded[i] = world.counter;
      next.steps[i] = 1;
      if (at_once) {
        next.counter = world.counter + 1;
        next.steps[i] = 2;
      }
      moves.push_back({next, who + " loads", {}});
    } else if (world.steps[i] == 1) {
      next.counter = world.loaded[i] + 1;
      next.steps[i] = 2;
      moves.push_back({next, who + " stores", {}});
    }
  }
  return moves;
}

std::string lost(const Counting& world) {
  const bool over = world.steps == std::array{2, 2};
  return over && world.counter != 2 ? "an addition is lost" : "";
}

Exploration explore(bool at_once) {
  const auto moves = [at_once](const Counting& world) { return moves_of(world, at_once); };
  return Interleavings<Counting, decltype(moves), decltype(&lost)>(moves, &lost).explore({});
}

}  // namespace

TEST_CASE("interleavings: a planted race is found, by as few moves as there can be") {
  const Exploration found = explore(false);
  CHECK(found.broken == "an addition is lost");
  CHECK_FALSE(found.complete);
  CHECK(found.counterexample ==
        std::vector<std::string>{"one loads", "other loads", "one stores", "other stores"});
  CHECK(found.text() ==
        "  one loads\n  other loads\n  one stores\n  other stores\n  => an addition is lost\n");
}

TEST_CASE("interleavings: all worlds of a safe toy are looked at, each once") {
  const Exploration found = explore(true);
  CHECK(found.complete);
  CHECK(found.broken.empty());
  CHECK(found.counterexample.empty());
  // Nobody yet, one, the other, both in either order: what they loaded differs.
  CHECK(found.worlds == 5);
  CHECK(found.moves == 4);
}

TEST_CASE("interleavings: a move may be wrong in itself, and so may the first world") {
  const auto nothing_wrong = [](int) { return std::string(); };
  const auto up = [](int world) {
    return std::vector<Move<int>>{{(world + 1) % 10, "up", world == 3 ? "three is enough" : ""},
                                  {world, "stay", {}}};
  };
  const auto counted =
      Interleavings<int, decltype(up), decltype(nothing_wrong)>(up, nothing_wrong).explore(0);
  CHECK(counted.broken == "three is enough");
  CHECK(counted.counterexample == std::vector<std::string>{"up", "up", "up", "up"});
  const auto wrong = [](int world) { return world == 7 ? std::string("seven") : std::string(); };
  const auto first = Interleavings<int, decltype(up), decltype(wrong)>(up, wrong).explore(7);
  CHECK(first.broken == "seven");
  CHECK(first.counterexample.empty());
}
