// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the figures came to, as tables for people and as JSON.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "bench/figures/sweeps.h"

namespace vmmc::figures {

void print_heading(std::ostream& out);
void print(std::ostream& out, const Outcome& outcome);
// How many were counted, how many of these are within tolerance, how many are predictions: with parameters
// given in place of the model's, none.
void print_summary(std::ostream& out, const std::vector<Outcome>& outcomes, bool parameters_given);
void print(std::ostream& out, const Comparison& comparison);

// What figures.json holds. There is null for what has no finite value.
std::string json(const std::vector<Outcome>& outcomes, const Comparison& comparison,
                 const std::vector<std::pair<std::string, LinePlot>>& plots);

// Files figures.json and NAME.svg in an existing directory. Throws std::runtime_error.
void write_files(const std::string& directory, const std::vector<Outcome>& outcomes,
                 const Comparison& comparison,
                 const std::vector<std::pair<std::string, LinePlot>>& plots);

}  // namespace vmmc::figures
