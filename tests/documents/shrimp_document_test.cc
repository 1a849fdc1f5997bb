// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// docs/shrimp.md says about the model shrimp-2 what its file says, and names the documents that the models cite.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "nicsim/model/model_file.h"
#include "nicsim/sim/initiation_costs.h"

using namespace vmmc::nicsim::model;

namespace {

using Row = std::vector<std::string>;

// "| a | b |" as {"a", "b"}; nothing if the line is no row of a table.
Row cells(const std::string& line) {
  Row row;
  if (!line.starts_with("| ")) return row;
  for (std::size_t at = 2; at < line.size();) {
    const std::size_t end = line.find(" |", at);
    if (end == std::string::npos) break;
    row.push_back(line.substr(at, end - at));
    at = end + 3;
  }
  return row;
}

// As it stands in the document: what a failed check prints can be copied there.
std::string line_of(const Row& row) {
  std::string line = "|";
  for (const std::string& cell : row) line.append(" ").append(cell).append(" |");
  return line;
}

std::vector<Row> rows_of_document() {
  std::ifstream file("docs/shrimp.md");
  REQUIRE(file.is_open());
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    if (Row row = cells(line); !row.empty()) rows.push_back(std::move(row));
  }
  return rows;
}

Model shrimp_2() {
  ModelResult result = load_model("shrimp-2");
  REQUIRE_MESSAGE(result.ok(), result.error());
  return std::move(result.value());
}

// The names in the list of what was read, of which each has a row of three cells that ends with how far.
std::vector<std::string> documents_read() {
  std::vector<std::string> names;
  bool in_list = false;
  for (const Row& row : rows_of_document()) {
    if (in_list) names.push_back(row[0]);
    if (row == Row{"name", "document", "read"}) in_list = true;
  }
  REQUIRE_FALSE(names.empty());
  return names;
}

// The last paragraph: "(ISCA'94, ISCA'96)" as {"ISCA'94", "ISCA'96"}.
std::vector<std::string> papers_recalled() {
  std::ifstream file("docs/shrimp.md");
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line);) {
    if (line.find("*recalled* names the paper") == std::string::npos) continue;
    std::string list = line.substr(line.find('(') + 1);
    list.resize(list.find(')'));
    for (std::size_t at = 0; at < list.size(); at = list.find_first_not_of(" ,", at)) {
      const std::size_t end = std::min(list.find(',', at), list.size());
      names.push_back(list.substr(at, end - at));
      at = end;
    }
  }
  REQUIRE_FALSE(names.empty());
  return names;
}

bool cites(const std::string& source, const std::vector<std::string>& names) {
  return std::ranges::any_of(
      names, [&](const std::string& name) { return source.find(name) != std::string::npos; });
}

std::string kind_text(const Origin& origin) {
  std::string text(kind_name(origin.kind));
  const char* separator = ": ";
  for (const std::string& figure : origin.figures) {
    text += separator + figure;
    separator = ", ";
  }
  return text;
}

// The ns of a step: `key`, N x `key`, or N bytes at `key`.
double time_of_step(const TimingModel& model, const std::string& step) {
  const std::size_t tick = step.find('`');
  REQUIRE(tick != std::string::npos);
  const std::string key = step.substr(tick + 1, step.size() - tick - 2);
  const ParameterInfo* parameter = find_parameter(key);
  REQUIRE_MESSAGE(parameter != nullptr, key);
  const double value = parameter->of(model);
  const double count = tick == 0 ? 1 : std::atof(step.c_str());
  const bool is_speed = parameter->unit == Unit::kMegabytesPerSecond;
  CHECK(is_speed == (step.find("bytes at") != std::string::npos));
  return is_speed ? count * 1000 / value : count * value;
}

}  // namespace

TEST_CASE("the table of parameters is that of the model") {
  const Model model = shrimp_2();
  std::vector<Row> table;
  for (Row& row : rows_of_document()) {
    if (row.size() == 6 && row[0].starts_with('`')) table.push_back(std::move(row));
  }
  const std::vector<Description> descriptions = describe(model);
  REQUIRE(table.size() == descriptions.size());
  for (std::size_t i = 0; i < table.size(); ++i) {
    const Description& one = descriptions[i];
    CHECK(line_of(table[i]) ==
          line_of({"`" + std::string(one.parameter->key) + "`",
                   std::string(unit_name(one.parameter->unit)), std::string(one.parameter->meaning),
                   value_text(*one.parameter, one.value), kind_text(*one.origin),
                   one.origin->source}));
  }
}

TEST_CASE("the steps of an update take what the model says, and so do their sums") {
  const Model model = shrimp_2();
  std::vector<double> sums;
  double sum = 0;
  for (const Row& row : rows_of_document()) {
    if (row.size() != 3 || row[2].find_first_not_of("0123456789") != std::string::npos) continue;
    CAPTURE(row[1]);
    if (row[0] != "**sum**") {
      const double time = time_of_step(model.values, row[1]);
      CHECK(row[2] == number_text(std::round(time)));
      sum += time;
      continue;
    }
    CHECK(row[2] == number_text(std::round(sum)));
    // The figure in us, which is what the model was fitted to.
    CHECK(sum / 1000 == doctest::Approx(std::atof(row[1].c_str())).epsilon(0.01));
    sums.push_back(std::exchange(sum, 0));
  }
  REQUIRE(sums.size() == 2);
  CHECK(sum == 0);
}

TEST_CASE("the ways to initiate a transfer are those of the model of the published platform") {
  const ModelResult model = load_model("turbochannel");
  REQUIRE(model.ok());
  std::vector<Row> table;
  for (Row& row : rows_of_document()) {
    if (row.size() == 5 && row[0].starts_with('`')) table.push_back(std::move(row));
  }
  const auto costs = vmmc::nicsim::sim::initiation_costs(model.value().values);
  REQUIRE(table.size() == costs.size());
  for (std::size_t i = 0; i < table.size(); ++i) {
    const Row& row = table[i];
    CHECK(row[0] == "`" + std::string(costs[i].mechanism->name) + "`");
    CHECK((row[2] == "-") == !costs[i].published.has_value());
    CHECK(row[3] == number_text(std::round(costs[i].us * 100) / 100) + " us");
    CHECK(row[4].starts_with(costs[i].mechanism->safe ? "safe" : "**unsafe**"));
  }
}

TEST_CASE("the figures that the document lists are those that the model was fitted to") {
  std::vector<std::string> listed;
  for (const Row& row : rows_of_document()) {
    if (row.size() != 4 || !row[0].starts_with('`')) continue;
    listed.push_back(row[0].substr(1, row[0].find('`', 1) - 1));
    CAPTURE(row[3]);
    CHECK(find_parameter(row[3].substr(1, row[3].size() - 2)) != nullptr);
  }
  std::ranges::sort(listed);
  CHECK(listed == fitted_figures(shrimp_2()));
}

TEST_CASE("what is published or recalled names a document that the page lists") {
  const std::vector<std::string> read = documents_read();
  const std::vector<std::string> recalled = papers_recalled();
  for (const BuiltInModel& built_in : built_in_models()) {
    CAPTURE(built_in.name);
    const ModelResult model = load_model(std::string(built_in.name));
    REQUIRE(model.ok());
    for (const Origin& origin : model.value().origins) {
      CAPTURE(origin.source);
      if (origin.kind == Kind::kPublished) CHECK(cites(origin.source, read));
      if (origin.kind == Kind::kRecalled) CHECK(cites(origin.source, recalled));
      // A report is cited by its number, whatever for.
      for (std::size_t at = origin.source.find("TR-"); at != std::string::npos;
           at = origin.source.find("TR-", at + 1))
        CHECK(std::ranges::count(read, origin.source.substr(at, 9)) == 1);
    }
  }
}

TEST_CASE("a paper that the page says is recalled is recalled somewhere in a model") {
  for (const std::string& paper : papers_recalled()) {
    CAPTURE(paper);
    CHECK(std::ranges::any_of(built_in_models(), [&](const BuiltInModel& model) {
      return model.text.find(paper) != std::string_view::npos;
    }));
  }
}
