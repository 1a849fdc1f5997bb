// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/model/parameter_table.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>

using namespace vmmc::nicsim::model;

TEST_CASE("the table has every field of the model, in their order, each once") {
  TimingModel model{};
  const auto* const first = reinterpret_cast<const std::byte*>(&model);
  std::set<std::string_view> keys;
  std::size_t index = 0;
  for (const ParameterInfo& parameter : parameter_table()) {
    CAPTURE(parameter.key);
    const auto* const field = reinterpret_cast<const std::byte*>(&parameter.of(model));
    CHECK(field == first + index * sizeof(double));
    CHECK(keys.insert(parameter.key).second);
    CHECK(find_parameter(parameter.key) == &parameter);
    CHECK(parameter.least < parameter.greatest);
    CHECK(parameter.meaning.ends_with('.'));
    CHECK(parameter.key.find('.') != std::string_view::npos);
    ++index;
  }
  CHECK(index * sizeof(double) == sizeof(TimingModel));
  CHECK(find_parameter("processor.nonsense") == nullptr);
  CHECK(find_parameter("") == nullptr);
}

TEST_CASE("values at the limits are allowed, and beyond them not") {
  for (const ParameterInfo& parameter : parameter_table()) {
    CAPTURE(parameter.key);
    CHECK(value_problem(parameter, parameter.least).empty());
    CHECK(value_problem(parameter, parameter.greatest).empty());
    CHECK_FALSE(value_problem(parameter, parameter.least - 1).empty());
    CHECK_FALSE(value_problem(parameter, parameter.greatest * 1.001).empty());
    CHECK_FALSE(value_problem(parameter, std::nan("")).empty());
    CHECK_FALSE(value_problem(parameter, std::numeric_limits<double>::infinity()).empty());
  }
}

TEST_CASE("what is counted is whole, a switch is 0 or 1, and a speed is not next to nothing") {
  const ParameterInfo& payload = *find_parameter("packetizer.max_payload_bytes");
  CHECK(value_problem(payload, 4.5) == "is not a whole number");
  CHECK(value_problem(payload, 5000) == "is not between 4 and 4096 bytes");
  const ParameterInfo& mesh = *find_parameter("backplane.mesh");
  CHECK(value_problem(mesh, 0.5) == "is neither 0 nor 1");
  CHECK(value_problem(mesh, 2) == "is neither 0 nor 1");
  const ParameterInfo& link = *find_parameter("backplane.link_mb_per_s");
  CHECK(value_problem(link, 1e-300) == "is neither 0 (takes no time) nor at least 0.001 MB/s");
  CHECK(value_problem(*find_parameter("backplane.hop_ns"), 0.25).empty());
}

TEST_CASE("the value of a choice is the number of its name, and nothing else is read as one") {
  const ParameterInfo& initiation = *find_parameter("deliberate_update_engine.initiation");
  CHECK(unit_name(initiation.unit) == "choice");
  REQUIRE(initiation.names.size() > 2);
  for (std::size_t i = 0; i < initiation.names.size(); ++i) {
    const auto value = static_cast<double>(i);
    CHECK(parse_value(initiation, initiation.names[i]) == value);
    CHECK(value_text(initiation, value) == initiation.names[i]);
    CHECK(value_problem(initiation, value).empty());
  }
  CHECK(value_problem(initiation, 0.5) == "is not a whole number");
  CHECK_FALSE(parse_value(initiation, "1").has_value());
  CHECK_FALSE(parse_value(initiation, "").has_value());
  const ParameterInfo& hop = *find_parameter("backplane.hop_ns");
  CHECK(hop.names.empty());
  CHECK(parse_value(hop, "1.5") == 1.5);
  CHECK_FALSE(parse_value(hop, "kernel").has_value());
  CHECK(value_text(hop, 1.5) == "1.5");
}

TEST_CASE("numbers are printed short, exactly and without exponent") {
  CHECK(number_text(32768) == "32768");
  CHECK(number_text(1e9) == "1000000000");
  CHECK(number_text(36.5) == "36.5");
  CHECK(number_text(0) == "0");
  CHECK(std::stod(number_text(0.1 + 0.2)) == 0.1 + 0.2);
  CHECK(std::stod(number_text(std::numeric_limits<double>::max())) ==
        std::numeric_limits<double>::max());
}
