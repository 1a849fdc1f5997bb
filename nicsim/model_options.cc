// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/model_options.h"

#include <iostream>

#include "nicsim/model/model_file.h"

namespace vmmc::nicsim {
namespace {

constexpr int kExitMistake = 2;

int complain(const std::string& problem) {
  std::cerr << "nicsim: " << problem << '\n';
  return kExitMistake;
}

int list_models() {
  for (const model::BuiltInModel& built_in : model::built_in_models()) {
    const model::ModelResult result = model::parse_model(built_in.name, built_in.text);
    if (!result.ok()) return complain(result.error());
    std::cout << result.value().name << ": " << result.value().title << '\n';
  }
  std::cout << model::kNoModel << ": real time\n";
  return 0;
}

// One line for each parameter: KEY = VALUE UNIT | KIND | SOURCE.
int show_model(const std::string& name, const std::vector<std::string>& parameters) {
  const model::ModelResult result = model::load_model(name, parameters);
  if (!result.ok()) return complain(result.error());
  std::cout << result.value().name << ": " << result.value().title << '\n';
  for (const model::Description& one : model::describe(result.value())) {
    std::cout << one.parameter->key << " = " << model::value_text(*one.parameter, one.value) << ' '
              << model::unit_name(one.parameter->unit) << " | "
              << model::kind_name(one.origin->kind);
    const char* separator = ": ";
    for (const std::string& figure : one.origin->figures) {
      std::cout << separator << figure;
      separator = ", ";
    }
    std::cout << " | " << one.origin->source << '\n';
  }
  return 0;
}

}  // namespace

ModelOptions::ModelOptions(CLI::App& app) {
  app.add_option("--model", name_,
                 "Timing model: simulated time; a name (--list-models) or a file; none: real time")
      ->capture_default_str();
  app.add_option("--param", parameters_,
                 "A parameter of the model: KEY=VALUE in place of its own (may be repeated)")
      ->allow_extra_args(false);
  expect_ = app.add_option("--expect", expected_,
                           "With a model: so many processes attach before simulated time begins")
                ->check(CLI::Range(0, 4096))
                ->capture_default_str();
  app.add_flag("--list-models", list_, "Print the built-in models, and end");
  show_ = app.add_option("--show-model", shown_,
                         "Print the parameters of this model with their sources, and end");
}

std::optional<int> ModelOptions::apply(Options& options) const {
  if (list_) return list_models();
  if (show_->count() > 0) return show_model(shown_, parameters_);
  if (name_ == model::kNoModel) {
    if (!parameters_.empty()) return complain("--param needs a timing model: --model NAME");
    if (expect_->count() > 0) return complain("--expect needs a timing model: --model NAME");
    return {};
  }
  const model::ModelResult result = model::load_model(name_, parameters_);
  if (!result.ok()) return complain(result.error());
  options.model = result.value().values;
  options.model_name = result.value().name;
  options.expected_processes = expected_;
  return {};
}

}  // namespace vmmc::nicsim
