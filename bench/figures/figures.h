// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The published figures, and how each is simulated.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/figures/library_costs.h"
#include "nicsim/model/model_file.h"

namespace vmmc::figures {

struct Inputs {
  using Models = std::map<std::string, nicsim::model::Model, std::less<>>;

  Models models;
  Models unchanged;  // as the files have them; the same if nothing was given in their place
  LibraryCosts costs;
  bool parameters_given = false;

  const nicsim::model::TimingModel& model(std::string_view name) const {
    return models.find(name)->second.values;
  }
};

// The models that the figures are of, `parameters` (KEY=VALUE) in place of those of shrimp-2.
// Throws std::runtime_error.
Inputs load_inputs(std::span<const std::string> parameters);

enum class Sourcing {
  kSourced,     // a document that was read says so: counted
  kRecalled,    // from memory of a document: shown, not counted
  kDerived,     // our arithmetic with what a document says: shown, not counted
  kAnotherWay,  // another figure's published value, measured in another way: shown, not counted
};

struct Figure {
  std::string_view id;
  std::string_view what;
  std::string_view unit;
  double published;
  std::string_view published_text;  // as published, e.g. "> 90"
  bool at_least;                    // published as a bound from below
  double tolerance;                 // of the simulated value, relative
  Sourcing sourcing;
  std::string_view source;
  std::string_view model;
  // The figure that makes this one come out as it does, so that this one is fitted if that one is; or empty.
  std::string_view follows;
  bool given;                         // it is itself a parameter of the model
  double (*simulate)(const Inputs&);  // not finite: there is none
};

std::span<const Figure> figure_table();

struct Outcome {
  const Figure* figure;
  std::optional<double> simulated;
  std::optional<double> error;  // relative; 0 for a bound that is kept
  bool counted;
  bool within;  // its tolerance; false if there is nothing simulated
  // "fitted", "given", "prediction": of the model as its file has it; "changed" if a parameter that was
  // given makes the figure another one.
  std::string_view kind;
  std::optional<double> unchanged;  // of a changed one: what the model as its file has it simulates
};

Outcome evaluate(const Figure& figure, const Inputs& inputs);

// Keys per node of the radix sort figures.
inline constexpr std::uint32_t kRadixKeysPerNode = 16384;

}  // namespace vmmc::figures
