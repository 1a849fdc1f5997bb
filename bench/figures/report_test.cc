// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What is said of figures: with parameters in place of the model's, without a value, and of designs that
// cannot be.

#include "bench/figures/report.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "nicsim/model/model_file.h"

namespace vmmc::figures {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinite = std::numeric_limits<double>::infinity();

const Figure& figure(std::string_view id) {
  const auto found = std::ranges::find(figure_table(), id, &Figure::id);
  REQUIRE(found != figure_table().end());
  return *found;
}

Outcome outcome(std::string_view id, const std::vector<std::string>& parameters = {}) {
  return evaluate(figure(id), load_inputs(parameters));
}

std::string row(const Outcome& outcome) {
  std::ostringstream out;
  print(out, outcome);
  return out.str();
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a size that does not exist is a result") {
  for (const char* parameter : {"processor.store_ns=0", "processor.store_ns=100"}) {
    const Outcome none = outcome("du-au-crossover", {parameter});
    CHECK_FALSE(none.simulated.has_value());
    CHECK_FALSE(none.within);
    CHECK(contains(row(none), " none "));
    CHECK(contains(row(none), "OUT OF TOLERANCE"));
    CHECK_FALSE(contains(row(none), "nan"));
  }
  CHECK(outcome("du-au-crossover").simulated.has_value());
}

TEST_CASE("a fitted figure becomes no prediction by another value of the parameter") {
  const std::vector<std::string> poll = {"processor.poll_ns=2000"};
  CHECK(outcome("au-word-latency").kind == "fitted");
  const Outcome changed = outcome("au-word-latency", poll);
  CHECK(changed.kind == "changed");
  CHECK(changed.unchanged == outcome("au-word-latency").simulated);
  CHECK(contains(row(changed), "else 4.75"));
  // The same value again, of the one parameter that this figure was fitted with.
  CHECK(outcome("du-au-crossover", {"processor.store_ns=200"}).kind == "fitted");
  // Neither of these depends on it.
  CHECK(outcome("hardware-minimum", poll).kind == "fitted");
  CHECK(outcome("export", poll).kind == "given");
}

TEST_CASE("predictions are counted only if the model is as it is") {
  const std::vector<Outcome> outcomes = {outcome("export"), outcome("sockets-bandwidth")};
  std::ostringstream as_it_is;
  print_summary(as_it_is, outcomes, false);
  CHECK(contains(as_it_is.str(), "1 of them are predictions"));
  std::ostringstream other;
  print_summary(other, outcomes, true);
  CHECK(contains(other.str(), "no prediction is counted"));
}

TEST_CASE("what follows a fitted figure is fitted, and says so") {
  CHECK(outcome("nx-bandwidth").kind == "fitted");
  CHECK(contains(row(outcome("nx-bandwidth")), "follows du-bandwidth"));
}

TEST_CASE("counted are only figures that a document says") {
  CHECK(outcome("au-word-latency").counted);
  CHECK_FALSE(outcome("hardware-minimum").counted);
  CHECK_FALSE(outcome("du-word-latency").counted);
  const Outcome one_way = outcome("sockets-one-way");
  CHECK_FALSE(one_way.counted);
  CHECK_FALSE(one_way.within);
  CHECK(contains(row(one_way), "other way"));
}

TEST_CASE("what is not finite is null in the file, and a dash in the table") {
  Outcome infinite = outcome("export");
  infinite.simulated.reset();
  infinite.error.reset();
  const Comparison comparison{
      {"a"}, {0}, {{"change", "recalled", "cannot be"}}, {std::vector<double>{kNan}}};
  const std::string text =
      json({infinite}, comparison, {{"p", {"t", "x", "y", false, {{"l", {{1, kInfinite}}}}}}});
  const boost::json::value parsed = boost::json::parse(text);
  CHECK(parsed.at("figures").at(0).at("simulated").is_null());
  CHECK(parsed.at("figures").at(0).at("error").is_null());
  CHECK(parsed.at("design_choices").at("changes").at(0).at("percent").at(0).is_null());
  CHECK(parsed.at("curves").at(0).at("lines").at(0).at("points").at(0).at(1).is_null());
  std::ostringstream table;
  print(table, comparison);
  CHECK(contains(table.str(), " -\n"));
  CHECK(contains(table.str(), "impossible: cannot be"));
}

TEST_CASE("another capacity keeps the parts of the FIFO that its thresholds are") {
  TimingModel model = load_inputs({}).model("shrimp-2");
  model.outgoing_fifo.capacity_bytes = 10000;
  model.outgoing_fifo.threshold_bytes = 9000;
  model.outgoing_fifo.resume_bytes = 8000;
  set_fifo_capacity(model, 1000);
  CHECK(model.outgoing_fifo.capacity_bytes == 1000);
  CHECK(model.outgoing_fifo.threshold_bytes == 900);
  CHECK(model.outgoing_fifo.resume_bytes == 800);
}

TEST_CASE("a sweep leaves out what cannot be, and what has no finite value") {
  const TimingModel model = load_inputs({}).model("shrimp-2");
  const auto hops = [](const TimingModel& m) { return m.backplane.hop_ns; };
  const Line by_payload =
      relative_times("l", model, hops, {3, 4, 5, 8},
                     [](TimingModel& m, double bytes) { m.packetizer.max_payload_bytes = bytes; });
  CHECK(by_payload.points == std::vector<std::pair<double, double>>{{4, 100}, {8, 100}});
  const Line by_hop = relative_times(
      "l", model, [](const TimingModel& m) { return 1 / m.backplane.hop_ns; }, {0, 80},
      [](TimingModel& m, double ns) { m.backplane.hop_ns = ns; });
  CHECK(by_hop.points == std::vector<std::pair<double, double>>{{80, 50}});
}

}  // namespace
}  // namespace vmmc::figures
