// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>

#include "nicsim/sim/options.h"

using namespace vmmc::nicsim::sim;

namespace {

std::variant<SimulateOptions, int> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "simulate");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

template <typename Options>
Options accepted(const std::vector<const char*>& arguments) {
  auto parsed = parse(arguments);
  REQUIRE(std::holds_alternative<SimulateOptions>(parsed));
  return std::get<Options>(std::get<SimulateOptions>(std::move(parsed)));
}

int status_of(const std::vector<const char*>& arguments) {
  const auto parsed = parse(arguments);
  return std::holds_alternative<int>(parsed) ? std::get<int>(parsed) : -1;
}

}  // namespace

TEST_CASE("replay takes a recording, a model and its parameters") {
  const auto options = accepted<ReplayOptions>({"replay", "file", "--model", "shrimp-2", "--param",
                                                "processor.compute_scale=7", "--json", "out"});
  CHECK(options.file == "file");
  CHECK(options.model.name == "shrimp-2");
  CHECK(options.model.values.processor.compute_scale == 7);
  CHECK(options.json == "out");
}

TEST_CASE("recording takes a file") {
  CHECK(accepted<RecordingOptions>({"recording", "file"}).file == "file");
}

TEST_CASE("initiation takes a model, or that of the published platform") {
  CHECK(accepted<InitiationOptions>({"initiation"}).model.name == "turbochannel");
  const auto options = accepted<InitiationOptions>(
      {"initiation", "--model", "shrimp-2", "--param", "deliberate_update_engine.load_ns=7"});
  CHECK(options.model.name == "shrimp-2");
  CHECK(options.model.values.deliberate_update_engine.load_ns == 7);
  CHECK(status_of({"initiation", "--model", "nothing"}) == 2);
  CHECK(status_of({"initiation", "--model", ""}) == 2);
  CHECK(status_of({"initiation", "file"}) == 2);
}

TEST_CASE("updates go through whole nodes") {
  auto options = accepted<UpdatesOptions>({"updates", "--pattern", "uniform", "--nodes", "4x8",
                                           "--updates", "automatic", "--bytes", "256", "--model",
                                           "shrimp-2", "--offers", "1:5:2"});
  CHECK(options.offers == std::vector{1.0, 3.0, 5.0});
  CHECK(options.settings.automatic);
  CHECK(options.settings.update_bytes == 256);
  CHECK(options.settings.columns == 8);
  CHECK(options.settings.model.outgoing_fifo.capacity_bytes == 32768);
  const std::vector<const char*> plain{"updates", "--pattern", "uniform",   "--nodes",   "2x2",
                                       "--model", "shrimp-2",  "--updates", "deliberate"};
  CHECK(accepted<UpdatesOptions>(plain).offers == std::vector{1.0});
  for (const char* wrong : {"--bytes=6", "--offer=0", "--offers=2:1:1", "--plot=x.svg",
                            "--load=0.1", "--updates=both"}) {
    std::vector<const char*> arguments = plain;
    arguments.push_back(wrong);
    CHECK(status_of(arguments) == 2);
  }
}

TEST_CASE("traffic takes a pattern, a shape and a load, or a range of loads") {
  auto options = accepted<TrafficOptions>(
      {"traffic", "--pattern", "transpose", "--nodes", "4x4", "--load", "0.4", "--bytes", "5000",
       "--backplane", "crossbar", "--duration-us", "20", "--seed", "9", "--model", "shrimp-2"});
  CHECK(options.loads == std::vector{0.4});
  CHECK(options.settings.pattern == TrafficPattern::kTranspose);
  CHECK(options.settings.rows == 4);
  CHECK(options.settings.parcel_bytes == 5000);
  CHECK(options.settings.backplane.mesh == 0);
  CHECK(options.settings.duration_ns == 20'000);
  CHECK(options.settings.seed == 9);
  options =
      accepted<TrafficOptions>({"traffic", "--pattern", "uniform", "--nodes", "2x2", "--loads",
                                "0.05:0.95:0.05", "--plot", "x.svg", "--model", "shrimp-2"});
  CHECK(options.loads.size() == 19);
  CHECK(options.plot == "x.svg");
}

TEST_CASE("loads are from, to, step") {
  CHECK(parse_range("0.25:0.75:0.25") == std::vector{0.25, 0.5, 0.75});
  CHECK(parse_range("0.5:0.5:1") == std::vector{0.5});
  for (const char* wrong : {"", "1", "0.1:0.2", "0.2:0.1:0.1", "0:1:0.1", "0.1:0.2:0", "1:2:3x",
                            "0.1:0.9:1e-9", "nan:1:1"}) {
    CHECK(parse_range(wrong).empty());
  }
}

TEST_CASE("a mistake ends with status 2, help with 0") {
  CHECK(status_of({"--help"}) == 0);
  CHECK(status_of({}) == 2);
  CHECK(status_of({"replay"}) == 2);
  CHECK(status_of({"replay", "file"}) == 2);
  CHECK(status_of({"replay", "file", "--model", "nothing"}) == 2);
  CHECK(status_of({"replay", "file", "--model", "shrimp-2", "--param", "x=1"}) == 2);
  CHECK(status_of({"traffic", "--pattern", "nothing", "--nodes", "2x2", "--model", "shrimp-2"}) ==
        2);
  CHECK(status_of({"traffic", "--pattern", "uniform", "--nodes", "0x2", "--model", "shrimp-2"}) ==
        2);
  CHECK(status_of({"traffic", "--pattern", "transpose", "--nodes", "2x3", "--model", "shrimp-2"}) ==
        2);
  CHECK(status_of({"traffic", "--pattern", "uniform", "--nodes", "2x2", "--model", "shrimp-2",
                   "--plot", "x.svg"}) == 2);
  CHECK(status_of({"traffic", "--pattern", "uniform", "--nodes", "2x2", "--model", "shrimp-2",
                   "--load", "1", "--loads", "0.1:0.2:0.1"}) == 2);
}
