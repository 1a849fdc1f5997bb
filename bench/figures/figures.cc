// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "bench/figures/figures.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "bench/figures/measures.h"
#include "bench/figures/radix.h"

namespace vmmc::figures {

namespace {

namespace model = nicsim::model;

constexpr double kTolerance = 0.05;
constexpr double kOfApplications = 0.10;
constexpr std::uint32_t kLarge = 65536;  // of the sockets' bandwidth: "more than 32 KB"
constexpr std::uint32_t kVeryLarge = 1 << 20;
constexpr std::uint32_t kMessages = 50;  // of a stream

const TimingModel& shrimp(const Inputs& in) { return in.model("shrimp-2"); }
const TimingModel& myrinet(const Inputs& in) { return in.model("myrinet-vmmc"); }
const TimingModel& vmmc2(const Inputs& in) { return in.model("myrinet-vmmc2"); }

double radix(const Inputs& in, Update update) {
  return radix_speedup(shrimp(in), {.nodes = 16,
                                    .keys = 16 * kRadixKeysPerNode,
                                    .update = update,
                                    .key_ns = in.costs.radix_key});
}

constexpr Sourcing kSourced = Sourcing::kSourced;
constexpr Sourcing kRecalled = Sourcing::kRecalled;
constexpr Sourcing kDerived = Sourcing::kDerived;
constexpr Sourcing kAnotherWay = Sourcing::kAnotherWay;

constexpr Figure kFigures[] = {
    {"au-word-latency", "one word by automatic update", "us", 4.8, "4.8", false, kTolerance,
     kSourced, "TR-571-96, abstract (recalled more exactly from ISCA'96: 4.75)", "shrimp-2", "",
     false, [](const Inputs& in) { return message_latency_us(shrimp(in), Update::kAutomatic, 4); }},
    {"hardware-minimum", "of these, without store and poll", "us", 4.25, "4.25", false, kTolerance,
     kDerived, "(9.5 us - 1 us) / 2: a null call takes 9.5 us, 1 us above the minimum (WEB rpc)",
     "shrimp-2", "", false, [](const Inputs& in) { return hardware_minimum_us(shrimp(in)); }},
    {"du-word-latency", "one word by deliberate update", "us", 7.6, "7.6", false, kTolerance,
     kRecalled, "ISCA'96", "shrimp-2", "", false,
     [](const Inputs& in) { return message_latency_us(shrimp(in), Update::kDeliberate, 4); }},
    {"du-bandwidth", "deliberate updates of 64 KiB, one after the other", "MB/s", 23, "23", false,
     kTolerance, kSourced, "TR-571-96, abstract", "shrimp-2", "", false,
     [](const Inputs& in) { return stream_mb_per_s(shrimp(in), Update::kDeliberate, kLarge, 16); }},
    {"du-au-crossover", "from this size on deliberate update is faster", "bytes", 350,
     "a few hundred", false, 0.5, kRecalled, "ISCA'96; 350 stands for it here", "shrimp-2", "",
     false,
     [](const Inputs& in) {
       return crossover_bytes(shrimp(in)).value_or(std::numeric_limits<double>::quiet_NaN());
     }},
    {"nx-latency", "NX, 4 bytes", "us", 12, "12", false, kTolerance, kSourced,
     "WEB nx; TR-507-96, abstract", "shrimp-2", "", false,
     [](const Inputs& in) { return nx_latency_us(shrimp(in), in.costs, 4); }},
    {"nx-bandwidth", "NX, messages of 1 MiB", "MB/s", 23, "about 23", false, kTolerance, kSourced,
     "WEB nx", "shrimp-2", "du-bandwidth", false,
     [](const Inputs& in) {
       return mb_per_s(kVeryLarge, nx_latency_us(shrimp(in), in.costs, kVeryLarge));
     }},
    {"sockets-latency", "stream sockets, 8 bytes", "us", 11, "11", false, kTolerance, kSourced,
     "WEB sockets; TR-513-96, abstract", "shrimp-2", "", false,
     [](const Inputs& in) { return socket_latency_us(shrimp(in), in.costs, 8); }},
    {"sockets-bandwidth", "stream sockets, 64 KiB through half of a round trip", "MB/s", 13.5,
     "13.5", false, kTolerance, kSourced, "WEB sockets; TR-513-96, abstract: more than 32 KB",
     "shrimp-2", "", false,
     [](const Inputs& in) {
       return mb_per_s(kLarge, socket_latency_us(shrimp(in), in.costs, kLarge));
     }},
    {"sockets-one-way", "stream sockets, messages of 64 KiB one way", "MB/s", 13.5, "13.5", false,
     kTolerance, kAnotherWay, "as sockets-bandwidth", "shrimp-2", "", false,
     [](const Inputs& in) {
       return socket_stream_mb_per_s(shrimp(in), in.costs, kLarge, kMessages);
     }},
    {"vrpc-round-trip", "VRPC, null call", "us", 33, "33", false, kTolerance, kSourced,
     "WEB rpc; TR-512-96, abstract", "shrimp-2", "", false,
     [](const Inputs& in) { return vrpc_round_trip_us(shrimp(in), in.costs); }},
    {"fast-rpc-round-trip", "fast RPC, null call", "us", 9.5, "9.5", false, kTolerance, kSourced,
     "WEB rpc; TR-512-96, abstract", "shrimp-2", "hardware-minimum", false,
     [](const Inputs& in) { return fast_rpc_round_trip_us(shrimp(in)); }},
    {"myrinet-latency", "VMMC on Myrinet, one word", "us", 9.8, "9.8", false, kTolerance, kSourced,
     "TR-570-97, abstract", "myrinet-vmmc", "", false,
     [](const Inputs& in) { return message_latency_us(myrinet(in), Update::kDeliberate, 4); }},
    {"myrinet-bandwidth", "VMMC on Myrinet, 64 KiB, one after the other", "MB/s", 108.4, "108.4",
     false, kTolerance, kSourced, "TR-570-97, abstract", "myrinet-vmmc", "", false,
     [](const Inputs& in) {
       return stream_mb_per_s(myrinet(in), Update::kDeliberate, kLarge, 64);
     }},
    {"vmmc2-latency", "VMMC-2, one word", "us", 13.5, "13.5", false, kTolerance, kSourced,
     "WEB vmmc-ii", "myrinet-vmmc2", "", false,
     [](const Inputs& in) { return message_latency_us(vmmc2(in), Update::kDeliberate, 4); }},
    {"vmmc2-bandwidth", "VMMC-2, 64 KiB, one after the other", "MB/s", 90, "> 90", true, kTolerance,
     kSourced, "WEB vmmc-ii", "myrinet-vmmc2", "", false,
     [](const Inputs& in) { return stream_mb_per_s(vmmc2(in), Update::kDeliberate, kLarge, 64); }},
    {"vmmc2-sockets-latency", "stream sockets on VMMC-2, 8 bytes", "us", 20, "20", false,
     kTolerance, kSourced, "WEB sockets, vmmc-ii; NT99 node8", "myrinet-vmmc2", "", false,
     [](const Inputs& in) { return redirected_socket_latency_us(vmmc2(in), in.costs, 8); }},
    {"vmmc2-sockets-bandwidth", "stream sockets on VMMC-2, 64 KiB through half of a round trip",
     "MB/s", 84, "84", false, kTolerance, kSourced, "WEB sockets, vmmc-ii; NT99 node8",
     "myrinet-vmmc2", "", false,
     [](const Inputs& in) {
       return mb_per_s(kLarge, redirected_socket_latency_us(vmmc2(in), in.costs, kLarge));
     }},
    {"vmmc2-sockets-one-way", "stream sockets on VMMC-2, messages of 64 KiB one way", "MB/s", 84,
     "84", false, kTolerance, kAnotherWay, "as vmmc2-sockets-bandwidth", "myrinet-vmmc2", "", false,
     [](const Inputs& in) {
       return redirected_socket_stream_mb_per_s(vmmc2(in), in.costs, kLarge, kMessages);
     }},
    {"notification-interrupt", "interrupt until the kernel's handler runs", "us", 10, "about 10",
     false, kTolerance, kSourced, "NT99 node19", "myrinet-vmmc2", "", true,
     [](const Inputs& in) { return interrupt_us(vmmc2(in)); }},
    {"notification-signal", "from there until the program's handler runs", "us", 17, "17", false,
     kTolerance, kSourced, "NT99 node19", "myrinet-vmmc2", "", true,
     [](const Inputs& in) { return signal_us(vmmc2(in)); }},
    {"export", "export of a page", "us", 43, "43", false, kTolerance, kSourced, "NT99 node14",
     "myrinet-vmmc2", "", true, [](const Inputs& in) { return export_us(vmmc2(in)); }},
    {"import", "import of a buffer", "us", 68, "68", false, kTolerance, kSourced, "NT99 node14",
     "myrinet-vmmc2", "", true, [](const Inputs& in) { return import_us(vmmc2(in)); }},
    {"radix-au", "radix sort by automatic update, 16 nodes", "times", 9.2, "9.2", false,
     kOfApplications, kSourced, "design choices (ISCA'98), figure 4", "shrimp-2", "", false,
     [](const Inputs& in) { return radix(in, Update::kAutomatic); }},
    {"radix-du", "radix sort by deliberate update, 16 nodes", "times", 2.7, "2.7", false,
     kOfApplications, kSourced, "design choices (ISCA'98), figure 4", "shrimp-2", "", false,
     [](const Inputs& in) { return radix(in, Update::kDeliberate); }},
};

bool fitted(std::string_view id, const Figure& figure, const Inputs& inputs) {
  const auto of_model = model::fitted_figures(inputs.unchanged.find(figure.model)->second);
  return std::ranges::find(of_model, id) != of_model.end() ||
         std::ranges::any_of(library_cost_table(),
                             [&](const LibraryCost& cost) { return cost.figures == id; });
}

}  // namespace

std::span<const Figure> figure_table() { return kFigures; }

Inputs load_inputs(std::span<const std::string> parameters) {
  Inputs inputs{.models = {},
                .unchanged = {},
                .costs = library_costs(),
                .parameters_given = !parameters.empty()};
  const auto load = [](const std::string& name, std::span<const std::string> given) {
    auto loaded = model::load_model(name, given);
    if (!loaded.ok()) throw std::runtime_error(loaded.error());
    return std::move(loaded.value());
  };
  for (const std::string name : {"shrimp-2", "myrinet-vmmc", "myrinet-vmmc2"})
    inputs.unchanged.emplace(name, load(name, {}));
  inputs.models = inputs.unchanged;
  inputs.models["shrimp-2"] = load("shrimp-2", parameters);
  return inputs;
}

namespace {

std::optional<double> simulated(const Figure& figure, const Inputs& inputs) {
  const double value = figure.simulate(inputs);
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace

Outcome evaluate(const Figure& figure, const Inputs& inputs) {
  Outcome outcome{};
  outcome.figure = &figure;
  outcome.simulated = simulated(figure, inputs);
  if (outcome.simulated) outcome.error = *outcome.simulated / figure.published - 1;
  if (figure.at_least && outcome.error > 0) outcome.error = 0;
  outcome.counted = figure.sourcing == Sourcing::kSourced;
  outcome.within = outcome.error && std::abs(*outcome.error) <= figure.tolerance;
  outcome.kind = "prediction";
  if (figure.given) outcome.kind = "given";
  if (fitted(figure.id, figure, inputs) ||
      (!figure.follows.empty() && fitted(figure.follows, figure, inputs)))
    outcome.kind = "fitted";
  if (inputs.parameters_given && figure.model == "shrimp-2") {
    Inputs as_in_files = inputs;
    as_in_files.models = inputs.unchanged;
    const std::optional<double> unchanged = simulated(figure, as_in_files);
    if (unchanged != outcome.simulated) {
      outcome.kind = "changed";
      outcome.unchanged = unchanged;
    }
  }
  return outcome;
}

}  // namespace vmmc::figures
