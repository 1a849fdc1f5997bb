// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// figures: the published figures, simulated. See README.md.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "bench/figures/report.h"

namespace vmmc::figures {
namespace {

struct Options {
  std::string directory = "figures-results";
  std::string only;
  std::vector<std::string> parameters;
  bool smoke = false;
};

std::vector<Outcome> run_figures(const Options& options, const Inputs& inputs) {
  std::vector<Outcome> outcomes;
  print_heading(std::cout);
  for (const Figure& figure : figure_table()) {
    if (figure.id.find(options.only) == std::string_view::npos) continue;
    outcomes.push_back(evaluate(figure, inputs));
    print(std::cout, outcomes.back());
    std::cout.flush();
  }
  if (outcomes.empty())
    throw std::runtime_error("no figure's name contains \"" + options.only + "\"");
  print_summary(std::cout, outcomes, inputs.parameters_given);
  return outcomes;
}

int run(const Options& options) {
  const Inputs inputs = load_inputs(options.parameters);
  const bool everything = !options.smoke && options.only.empty();
  if (everything) std::filesystem::create_directories(options.directory);
  const std::vector<Outcome> outcomes = run_figures(options, inputs);
  if (everything) {
    std::cout << "\nDesign choices, none of them counted:\n" << std::flush;
    const Comparison comparison = compare_designs(inputs);
    print(std::cout, comparison);
    write_files(options.directory, outcomes, comparison, curves(inputs));
    std::cout << "\nfigures.json and plots (*.svg) are in " << options.directory << "\n";
  }
  for (const Outcome& outcome : outcomes) {
    if (outcome.counted && !outcome.within) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace vmmc::figures

int main(int argc, char** argv) {
  vmmc::figures::Options options;
  CLI::App app{"figures: the published figures of SHRIMP and VMMC, in simulated time"};
  app.add_option("--out", options.directory, "where figures.json and the plots go")
      ->capture_default_str();
  app.add_option("--only", options.only, "figures whose name contains this; writes nothing");
  app.add_option("--param", options.parameters,
                 "KEY=VALUE in place of the value of model shrimp-2; may be repeated")
      ->allow_extra_args(false);
  app.add_flag("--smoke", options.smoke, "all figures, but no plots and no design choices");
  CLI11_PARSE(app, argc, argv);
  try {
    return vmmc::figures::run(options);
  } catch (const std::exception& error) {
    std::cerr << "figures: " << error.what() << "\n";
    return 2;
  }
}
