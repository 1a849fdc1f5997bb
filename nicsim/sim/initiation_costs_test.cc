// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/initiation_costs.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "nicsim/model/model_file.h"

using namespace vmmc::nicsim;
using namespace vmmc::nicsim::sim;

namespace {

model::TimingModel values_of(const std::string& name) {
  const model::ModelResult result = model::load_model(name);
  REQUIRE_MESSAGE(result.ok(), result.error());
  return result.value().values;
}

}  // namespace

TEST_CASE("initiation costs: the table is whole, and the fitted model meets its figures") {
  const std::vector<InitiationCost> costs = initiation_costs(values_of("turbochannel"));
  std::istringstream table(to_table(costs, "turbochannel"));
  std::string line;
  std::getline(table, line);
  CHECK(line.starts_with("turbochannel: "));
  std::getline(table, line);
  int published = 0;
  for (const InitiationCost& cost : costs) {
    REQUIRE(static_cast<bool>(std::getline(table, line)));
    CAPTURE(line);
    std::istringstream words(line);
    std::string name;
    std::uint32_t references = 0;
    std::uint32_t stores = 0;
    std::uint32_t loads = 0;
    std::uint32_t barriers = 0;
    std::uint32_t system_calls = 0;
    double us = 0;
    words >> name >> references >> stores >> loads >> barriers >> system_calls >> us;
    REQUIRE(static_cast<bool>(words));
    CHECK(name == cost.mechanism->name);
    CHECK(references == stores + loads);
    CHECK(stores == cost.mechanism->stores);
    CHECK(loads == cost.mechanism->loads);
    CHECK(barriers == cost.mechanism->barriers);
    CHECK(system_calls == cost.mechanism->system_calls);
    CHECK(line.find(cost.mechanism->safe ? " yes " : " no ") != std::string::npos);
    CHECK(line.ends_with(cost.mechanism->why));
    if (!cost.published) continue;
    ++published;
    CHECK(us >= cost.published->least_us);
    CHECK(us <= cost.published->most_us);
    CHECK(line.find(cost.published->text) != std::string::npos);
  }
  CHECK_FALSE(static_cast<bool>(std::getline(table, line)));
  CHECK(published == 4);
}

TEST_CASE("initiation costs: another model, other costs") {
  const std::vector<InitiationCost> costs = initiation_costs(values_of("shrimp-2"));
  const auto of = [&](std::string_view name) {
    const auto found = std::ranges::find_if(
        costs, [&](const InitiationCost& cost) { return cost.mechanism->name == name; });
    REQUIRE(found != costs.end());
    return found->us;
  };
  CHECK(of("two-references") == 2);
  CHECK(of("kernel") == 12);
  CHECK(of("repeated-5") == 5);
}
