// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/machine_controls.h"

#include <boost/json/value.hpp>
#include <chrono>
#include <string_view>

#include "lab/server/command_table.h"

namespace vmmc::lab {
namespace {

namespace json = boost::json;
using nicsim::FaultPlan;
using nicsim::Pace;

std::uint64_t number_or(const json::object& wish, std::string_view key, std::uint64_t otherwise) {
  const json::value* value = wish.if_contains(key);
  return value == nullptr || value->is_null() ? otherwise : value->to_number<std::uint64_t>();
}

// A node of the machine, or any.
std::string read_node(const MachineView& view, const json::object& wish, std::string_view key,
                      std::uint32_t& node) {
  const std::uint64_t number = number_or(wish, key, FaultPlan::kAnyNode);
  node = static_cast<std::uint32_t>(number);
  if (node == FaultPlan::kAnyNode || node < view.description().nodes()) return "";
  return "fault: there is no node " + std::to_string(number);
}

}  // namespace

std::string apply_pace(MachineView& view, const json::object& wish) {
  if (std::string problem = problem_of_pace(wish); !problem.empty()) return problem;
  Pace& pace = view.pace();
  const std::string_view mode = wish.at("mode").as_string();
  if (mode == "full") pace.full();
  if (mode == "paused") pace.pause();
  if (mode == "slow") {
    pace.slow(std::chrono::milliseconds(number_or(wish, "interval_ms", 100)),
              static_cast<double>(number_or(wish, "slowdown", 1'000'000)));
  }
  if (mode == "step") {
    if (pace.mode() != Pace::Mode::kPaused) pace.pause();
    pace.step();
  }
  return "";
}

std::string apply_fault(MachineView& view, const json::object& wish) {
  if (std::string problem = problem_of_fault(wish); !problem.empty()) return problem;
  const std::string_view action = wish.at("action").as_string();
  if (action == "clear") {
    view.clear_faults();
    return "";
  }
  FaultPlan::Fault fault{.action = action == "drop"      ? FaultPlan::Action::kDrop
                                   : action == "corrupt" ? FaultPlan::Action::kCorrupt
                                                         : FaultPlan::Action::kDelay};
  for (std::string problem :
       {read_node(view, wish, "from", fault.from), read_node(view, wish, "to", fault.to)}) {
    if (!problem.empty()) return problem;
  }
  fault.skip = static_cast<std::uint32_t>(number_or(wish, "skip", 0));
  fault.delay = number_or(wish, "delay_ns", 0);
  return view.add_fault(fault) ? "" : "fault: too many wait for their packet already";
}

}  // namespace vmmc::lab
