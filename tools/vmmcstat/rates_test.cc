// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tools/vmmcstat/rates.h"

#include <doctest/doctest.h>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <cstdint>

using namespace vmmc::stat;
namespace json = boost::json;

namespace {

json::object process(int node, int id, int pid, std::uint64_t sent) {
  return {{"node", node}, {"process", id}, {"pid", pid}, {"counters", {{"transfers_sent", sent}}}};
}

json::object snapshot(std::uint64_t uptime, json::array processes) {
  return {{"nicsim", {{"uptime_ns", uptime}}}, {"processes", std::move(processes)}};
}

}  // namespace

TEST_CASE("rates are per second, of the processes that were there before") {
  const auto before = snapshot(1'000'000'000, {process(0, 1, 100, 50), process(1, 2, 101, 7)});
  const auto after = snapshot(
      3'000'000'000, {process(0, 1, 100, 250), process(0, 3, 102, 9), process(1, 2, 101, 7)});
  const json::object rates = rates_of(before, after);
  CHECK(rates.at("seconds") == 2.0);
  const json::array& processes = rates.at("processes").as_array();
  REQUIRE(processes.size() == 2);
  CHECK(processes[0].as_object().at("process") == 1);
  CHECK(processes[0].as_object().at("transfers_sent") == 100.0);
  CHECK(processes[1].as_object().at("process") == 2);
  CHECK(processes[1].as_object().at("transfers_sent") == 0.0);
}

TEST_CASE("a process that has come again under the same id has no rates yet") {
  const auto before = snapshot(0, {process(0, 1, 100, 50)});
  const auto after = snapshot(1'000'000'000, {process(0, 1, 200, 60)});
  CHECK(rates_of(before, after).at("processes").as_array().empty());
}

TEST_CASE("counters that went back, and two looks at once, give no nonsense") {
  const auto before = snapshot(5, {process(0, 1, 100, 50)});
  const json::object rates = rates_of(before, snapshot(5, {process(0, 1, 100, 40)}));
  CHECK(rates.at("processes").as_array()[0].as_object().at("transfers_sent") == 0.0);
}
