// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a step says must hold after it: "expect" (lab/scenes/README.md).
//
// Threads: any.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vmmc::lab {

// What a step has led to.
struct Outcome {
  struct Actor {
    std::uint32_t node;
    std::uint32_t process;
    std::string state;  // "running", "ended"
  };
  boost::json::object before;  // snapshots
  boost::json::object after;
  std::vector<boost::json::object> answers;  // to the step's commands, by their number
  std::map<std::string, Actor> actors;
};

// A sentence for each expectation that does not hold, or that nobody can understand. The values of the
// parameters are in `expected` already.
std::vector<std::string> unmet_expectations(const boost::json::array& expected,
                                            const Outcome& outcome);

}  // namespace vmmc::lab
