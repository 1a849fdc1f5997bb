// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Explores everything that can happen: from a first world, by each move that is possible in each
// world, until no new world is found. Breadth first, so that what is found to be wrong has been
// reached by as few moves as there can be.
//
// A world is a value that can be compared and ordered: whatever differs between two of them matters,
// so each is looked at once only, by whichever way it was reached first. There must be finitely many;
// kMostWorlds is the end of the test's patience.
//
// Threads: one.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace vmmc::nicsim::parts::initiation {

inline constexpr std::size_t kMostWorlds = 1'000'000;

template <typename World>
struct Move {
  World next;
  std::string text;    // what happens, in a line
  std::string broken;  // what must hold and does not, because of this move; empty: all holds
};

struct Exploration {
  std::size_t worlds = 0;  // looked at
  std::size_t moves = 0;   // made
  bool complete = false;   // there is nothing else; false after a counterexample, too
  std::string broken;      // the first thing that does not hold; empty: all holds
  std::vector<std::string> counterexample;  // the moves that lead there

  // Of the counterexample, a line for each move.
  std::string text() const {
    std::string lines;
    for (const std::string& move : counterexample) lines += "  " + move + "\n";
    return lines + "  => " + broken + "\n";
  }
};

// moves(world) is a range of Move<World>; check(world) says what does not hold there, or nothing.
template <std::totally_ordered World, typename Moves, typename Check>
class Interleavings {
 public:
  Interleavings(Moves moves, Check check) : moves_(std::move(moves)), check_(std::move(check)) {}

  Exploration explore(const World& first) {
    result_ = {};
    seen_.clear();
    to_do_.clear();
    if (!enter(first, nullptr, {})) return result_;
    while (!to_do_.empty()) {
      const Entry* const from = to_do_.front();
      to_do_.pop_front();
      ++result_.worlds;
      for (const Move<World>& move : moves_(from->first)) {
        ++result_.moves;
        if (!move.broken.empty()) return broken(move.broken, from, move.text);
        if (!enter(move.next, from, move.text)) return result_;
      }
    }
    result_.complete = true;
    return result_;
  }

 private:
  struct Way;
  using Seen = std::map<World, Way>;
  using Entry = typename Seen::value_type;
  struct Way {
    const Entry* from;
    std::string text;
  };

  // False if the exploration ends here.
  bool enter(const World& world, const Entry* from, const std::string& text) {
    const auto [entry, is_new] = seen_.try_emplace(world, Way{from, text});
    if (!is_new) return true;
    const std::string problem = check_(world);
    if (!problem.empty()) {
      broken(problem, from, text);
      return false;
    }
    to_do_.push_back(&*entry);
    return seen_.size() < kMostWorlds;
  }

  Exploration broken(const std::string& what, const Entry* from, const std::string& last) {
    result_.broken = what;
    if (!last.empty()) result_.counterexample.push_back(last);
    for (; from != nullptr && from->second.from != nullptr; from = from->second.from) {
      result_.counterexample.push_back(from->second.text);
    }
    std::ranges::reverse(result_.counterexample);
    return result_;
  }

  Moves moves_;
  Check check_;
  Exploration result_;
  Seen seen_;
  std::deque<const Entry*> to_do_;
};

}  // namespace vmmc::nicsim::parts::initiation
