// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/options.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "nicsim/options.h"
#include "nicsim/wire/version.h"

namespace vmmc::nicsim::sim {
namespace {

constexpr int kExitMistake = 2;
constexpr std::size_t kMostRuns = 1000;
constexpr const char* kInitiationModel = "turbochannel";  // of which measurements were published

// What CLI11 fills.
struct Given {
  std::string file;
  std::string model;
  std::vector<std::string> parameters;
  std::string json;
  std::string pattern;
  std::string nodes;
  double offer = 0;
  bool offer_given = false;
  std::string offers;
  std::string updates;
  std::uint32_t bytes = 64;
  std::string backplane;
  double duration_us = 1000;
  std::uint64_t seed = 1;
  std::string plot;
};

int complain(const std::string& problem) {
  std::cerr << "simulate: " << problem << '\n';
  return kExitMistake;
}

// If no model is `usual`, one must be given.
void add_model(CLI::App& app, Given& given, const std::string& usual = {}) {
  auto* model = app.add_option("--model", given.model,
                               "Timing model: a name (nicsim --list-models) or a file");
  model->option_text(usual.empty() ? "NAME" : "NAME (" + usual + ")")->required(usual.empty());
  app.add_option("--param", given.parameters,
                 "A parameter of the model: KEY=VALUE in place of its own (may be repeated)")
      ->allow_extra_args(false)
      ->option_text("KEY=VALUE");
}

void add_json(CLI::App& app, Given& given) {
  app.add_option("--json", given.json, "Write the result to this file, too")->option_text("FILE");
}

// What a run is of; --ONE and --SEVERAL say what is offered.
void add_runs(CLI::App& app, Given& given, const std::string& one, const std::string& what,
              const std::string& several) {
  add_json(app, given);
  app.add_option("--pattern", given.pattern, "Who sends to whom: " + pattern_names())
      ->option_text("PATTERN")
      ->required();
  app.add_option("--nodes", given.nodes, "Rows x columns of the mesh")
      ->option_text("RxC")
      ->required();
  auto* offer = app.add_option(one, given.offer, "What each node offers: " + what);
  auto* offers = app.add_option(several, given.offers, "Several runs: from, to, step");
  offers->option_text("A:B:STEP")->excludes(offer);
  app.add_option("--duration-us", given.duration_us, "Simulated time of each run")
      ->option_text("US")
      ->capture_default_str();
  app.add_option("--seed", given.seed, "Of all that is random")->capture_default_str();
  app.add_option("--plot", given.plot, "With " + several + ": draw latency and throughput")
      ->option_text("FILE.svg");
}

void add_traffic(CLI::App& app, Given& given) {
  add_runs(app, given, "--load", "a share of a link's bandwidth (0.3)", "--loads");
  app.add_option("--bytes", given.bytes, "Of each parcel, with header")
      ->option_text("BYTES")
      ->capture_default_str();
  app.add_option("--backplane", given.backplane, "In place of the model's own")
      ->check(CLI::IsMember({"mesh", "crossbar"}))
      ->option_text("mesh|crossbar");
}

void add_updates(CLI::App& app, Given& given) {
  add_runs(app, given, "--offer", "MB/s (1)", "--offers");
  app.add_option("--bytes", given.bytes, "Of each update")
      ->option_text("BYTES")
      ->capture_default_str();
  app.add_option("--updates", given.updates, "Sends, or stores to bound pages")
      ->check(CLI::IsMember({"deliberate", "automatic"}))
      ->option_text("deliberate|automatic")
      ->required();
}

// Fills what both kinds of traffic have. Complains, and returns false, if it cannot be.
template <typename Options>
bool make_runs(const Given& given, const model::Model& model, double usual, Options& options,
               std::vector<double>& offers) {
  options.model_name = model.name;
  options.json = given.json;
  options.plot = given.plot;
  const auto pattern = pattern_named(given.pattern);
  if (!pattern) {
    complain("there is no pattern " + given.pattern + "; there are " + pattern_names());
    return false;
  }
  options.settings.pattern = *pattern;
  const auto shape = parse_shape(given.nodes);
  if (!shape) {
    complain("'" + given.nodes + "' is not RxC with 1 to 4096 nodes");
    return false;
  }
  options.settings.rows = shape->rows;
  options.settings.columns = shape->columns;
  options.settings.seed = given.seed;
  options.settings.duration_ns = given.duration_us * 1000;
  offers = {given.offer_given ? given.offer : usual};
  if (!given.offers.empty()) offers = parse_range(given.offers);
  if (offers.empty()) {
    complain("'" + given.offers + "' is not FROM:TO:STEP with at most 1000 runs");
    return false;
  }
  if (given.plot.empty() || !given.offers.empty()) return true;
  complain("--plot needs a range: --loads or --offers A:B:STEP");
  return false;
}

// Each of the runs must be possible.
template <typename Settings>
std::optional<std::string> problem_of_runs(Settings settings, double Settings::*offered,
                                           const std::vector<double>& offers) {
  for (const double offer : offers) {
    settings.*offered = offer;
    if (auto problem = problem_of(settings)) return problem;
  }
  return std::nullopt;
}

std::variant<SimulateOptions, int> make_traffic(const Given& given, const model::Model& model) {
  constexpr double kUsualLoad = 0.3;
  TrafficOptions options;
  if (!make_runs(given, model, kUsualLoad, options, options.loads)) return kExitMistake;
  TrafficSettings& settings = options.settings;
  settings.backplane = model.values.backplane;
  if (!given.backplane.empty()) settings.backplane.mesh = given.backplane == "mesh" ? 1 : 0;
  settings.parcel_bytes = given.bytes;
  settings.receive_fifo_bytes = std::max<std::uint64_t>(settings.receive_fifo_bytes, given.bytes);
  const auto problem = problem_of_runs(settings, &TrafficSettings::offered_load, options.loads);
  if (problem) return complain(*problem);
  return SimulateOptions(std::move(options));
}

std::variant<SimulateOptions, int> make_updates(const Given& given, const model::Model& model) {
  constexpr double kUsualMbPerS = 1;
  UpdatesOptions options;
  if (!make_runs(given, model, kUsualMbPerS, options, options.offers)) return kExitMistake;
  MachineTrafficSettings& settings = options.settings;
  settings.model = model.values;
  settings.automatic = given.updates == "automatic";
  settings.update_bytes = given.bytes;
  const auto problem =
      problem_of_runs(settings, &MachineTrafficSettings::offered_mb_per_s, options.offers);
  if (problem) return complain(*problem);
  return SimulateOptions(std::move(options));
}

}  // namespace

std::vector<double> parse_range(const std::string& text) {
  double from = 0;
  double to = 0;
  double step = 0;
  int read = 0;
  const bool understood =
      std::sscanf(text.c_str(), "%lf:%lf:%lf%n", &from, &to, &step, &read) == 3 &&
      static_cast<std::size_t>(read) == text.size();
  if (!understood || !(from > 0) || !(to >= from) || !(step > 0)) return {};
  // Half a step of grace: 0.95 is meant, though 18 steps of 0.05 from 0.05 on may be a bit more.
  const double count = std::floor((to - from) / step + 0.5) + 1;
  if (!(count <= static_cast<double>(kMostRuns))) return {};
  std::vector<double> range;
  for (int i = 0; i < static_cast<int>(count); ++i) range.push_back(from + i * step);
  return range;
}

std::variant<SimulateOptions, int> parse_options(int argc, const char* const* argv) {
  Given given;
  CLI::App app("Simulates a machine with SHRIMP's network interfaces.", "simulate");
  app.set_version_flag("--version", "simulate " VMMC_VERSION_STRING);
  app.require_subcommand(1);
  CLI::App* const replay =
      app.add_subcommand("replay", "What a recorded run (nicsim --record) would have cost");
  replay->add_option("FILE", given.file, "The recording")->required();
  add_model(*replay, given);
  add_json(*replay, given);
  CLI::App* const traffic = app.add_subcommand("traffic", "What the backplane alone carries");
  add_model(*traffic, given);
  add_traffic(*traffic, given);
  CLI::App* const updates = app.add_subcommand(
      "updates", "What whole nodes get through, by deliberate or automatic update");
  add_model(*updates, given);
  add_updates(*updates, given);
  CLI::App* const initiation = app.add_subcommand(
      "initiation", "What each way to initiate a transfer costs, and which are safe");
  add_model(*initiation, given, kInitiationModel);
  CLI::App* const recording = app.add_subcommand("recording", "Print a recording as text");
  recording->add_option("FILE", given.file, "The recording")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    return complain(error.what());
  }
  if (*recording) return SimulateOptions(RecordingOptions{given.file});
  if (*initiation && initiation->count("--model") == 0) given.model = kInitiationModel;
  model::ModelResult model = model::load_model(given.model, given.parameters);
  if (!model.ok()) return complain(model.error());
  if (*initiation) return SimulateOptions(InitiationOptions{std::move(model.value())});
  given.offer_given = traffic->count("--load") + updates->count("--offer") > 0;
  if (*traffic) return make_traffic(given, model.value());
  if (*updates) return make_updates(given, model.value());
  return SimulateOptions(ReplayOptions{given.file, std::move(model.value()), given.json});
}

}  // namespace vmmc::nicsim::sim
