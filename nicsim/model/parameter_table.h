// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What is known of each parameter of a timing model but its value: key, unit, limits, meaning.
//
// Threads: any; the table is constant.
//
// Invariants
//   The table has one entry for each field of TimingModel, in the order of the fields.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "nicsim/model/parameters.h"

namespace vmmc::nicsim::model {

enum class Unit {
  kNanoseconds,
  kMegabytesPerSecond,  // 10^6 bytes per second; 0: takes no time
  kBytes,               // whole
  kCount,               // whole
  kFactor,
  kSwitch,  // 0 or 1
  kChoice,  // one of `names`, by its number
};

struct ParameterInfo {
  std::string_view key;  // BLOCK.NAME
  Unit unit;
  double least;
  double greatest;
  std::string_view meaning;  // one sentence
  double& (*field)(TimingModel&);
  std::span<const std::string_view> names{};  // of a choice

  double& of(TimingModel& model) const { return field(model); }
  double of(const TimingModel& model) const { return field(const_cast<TimingModel&>(model)); }
};

std::span<const ParameterInfo> parameter_table();

// nullptr if there is none.
const ParameterInfo* find_parameter(std::string_view key);

// "ns", "MB/s", "bytes", "count", "factor", "switch", "choice".
std::string_view unit_name(Unit unit);

// The value that `text` stands for: a number, or the name of a choice; nothing if it is neither.
std::optional<double> parse_value(const ParameterInfo& parameter, std::string_view text);

// As parse_value() reads it. `value` is allowed.
std::string value_text(const ParameterInfo& parameter, double value);

// Why `value` is not allowed, e.g. "is not between 4 and 4096"; empty if it is.
std::string value_problem(const ParameterInfo& parameter, double value);

// As short as it can be without losing anything, and never with an exponent.
std::string number_text(double value);

}  // namespace vmmc::nicsim::model
