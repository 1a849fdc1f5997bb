// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "bench/figures/report.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace vmmc::figures {

namespace bj = boost::json;

namespace {

template <typename... Values>
std::string text(const char* format, Values... values) {
  char line[256];
  std::snprintf(line, sizeof line, format, values...);
  return line;
}

// A dash if there is none.
std::string shown(const char* format, double value) {
  return std::isfinite(value) ? text(format, value) : "-";
}

bj::value number(double value) {
  return std::isfinite(value) ? bj::value(value) : bj::value(nullptr);
}
bj::value number(std::optional<double> value) {
  return value ? number(*value) : bj::value(nullptr);
}
bj::string_view view(std::string_view what) { return {what.data(), what.size()}; }

template <typename Range, typename Make>
bj::array list(const Range& range, Make each) {
  bj::array result;
  for (const auto& item : range) result.push_back(each(item));
  return result;
}

bj::value numbers(const std::vector<double>& values) {
  return list(values, [](double value) { return number(value); });
}

std::string_view counting(Sourcing sourcing) {
  switch (sourcing) {
    case Sourcing::kSourced:
      return "yes";
    case Sourcing::kRecalled:
      return "recalled";
    case Sourcing::kDerived:
      return "derived";
    case Sourcing::kAnotherWay:
      return "other way";
  }
  return {};
}

bj::object json_of(const Outcome& outcome) {
  const Figure& figure = *outcome.figure;
  return {{"id", view(figure.id)},
          {"what", view(figure.what)},
          {"unit", view(figure.unit)},
          {"published", figure.published},
          {"published_text", view(figure.published_text)},
          {"sourcing", view(counting(figure.sourcing))},
          {"simulated", number(outcome.simulated)},
          {"error", number(outcome.error)},
          {"tolerance", figure.tolerance},
          {"kind", view(outcome.kind)},
          {"follows", view(figure.follows)},
          {"unchanged", number(outcome.unchanged)},
          {"counted", outcome.counted},
          {"within", outcome.within},
          {"model", view(figure.model)},
          {"source", view(figure.source)}};
}

bj::object json_of(const LibraryCost& cost) {
  return {{"key", view(cost.key)},
          {"value", cost.value},
          {"kind", view(nicsim::model::kind_name(cost.kind))},
          {"figures", view(cost.figures)},
          {"source", view(cost.source)}};
}

bj::object json_of(const std::pair<std::string, LinePlot>& named) {
  const LinePlot& plot = named.second;
  return {{"name", named.first},
          {"title", plot.title},
          {"x", plot.x_label},
          {"y", plot.y_label},
          {"lines", list(plot.lines, [](const Line& line) {
             return bj::object{{"name", line.name},
                               {"points", list(line.points, [](const auto& point) {
                                  return bj::array{number(point.first), number(point.second)};
                                })}};
           })}};
}

bj::object json_of(const Comparison& comparison) {
  bj::array changes;
  for (std::size_t i = 0; i < comparison.changes.size(); ++i) {
    changes.push_back(bj::object{{"name", comparison.changes[i].name},
                                 {"recalled", comparison.changes[i].recalled},
                                 {"impossible", comparison.changes[i].impossible},
                                 {"percent", numbers(comparison.percent[i])}});
  }
  return {{"programs",
           list(comparison.programs, [](const std::string& name) { return bj::value(name); })},
          {"unchanged_us", numbers(comparison.unchanged_us)},
          {"changes", std::move(changes)}};
}

void write(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace

void print_heading(std::ostream& out) {
  out << text("%-24s %-13s %13s %10s %8s  %-10s %-9s %s\n", "figure", "model", "published",
              "simulated", "error", "how", "counted", "unit");
}

void print(std::ostream& out, const Outcome& outcome) {
  const Figure& figure = *outcome.figure;
  out << text("%-24s %-13s %13s %10s %8s  %-10s %-9s %s", figure.id.data(), figure.model.data(),
              figure.published_text.data(),
              outcome.simulated ? text("%.2f", *outcome.simulated).c_str() : "none",
              outcome.error ? text("%+.1f%%", *outcome.error * 100).c_str() : "-",
              outcome.kind.data(), counting(figure.sourcing).data(), figure.unit.data());
  if (!figure.follows.empty()) out << ", follows " << figure.follows;
  if (outcome.kind == "changed")
    out << ", else " << (outcome.unchanged ? text("%.2f", *outcome.unchanged) : "none");
  out << (outcome.within ? "\n" : "  OUT OF TOLERANCE\n");
}

void print_summary(std::ostream& out, const std::vector<Outcome>& outcomes, bool parameters_given) {
  const auto count = [&](auto condition) { return std::ranges::count_if(outcomes, condition); };
  const auto counted = count([](const Outcome& o) { return o.counted; });
  const auto within = count([](const Outcome& o) { return o.counted && o.within; });
  const auto predictions =
      count([](const Outcome& o) { return o.counted && o.kind == "prediction"; });
  out << text("%td figures are counted, %td of them within tolerance; ", counted, within);
  out << (parameters_given ? "with parameters given no prediction is counted.\n"
                           : text("%td of them are predictions.\n", predictions));
}

void print(std::ostream& out, const Comparison& comparison) {
  out << text("%-30s", "more time, %");
  for (const std::string& program : comparison.programs) out << text(" %14s", program.c_str());
  out << text("\n%-30s", "unchanged, us");
  for (const double us : comparison.unchanged_us) out << text(" %14s", shown("%.1f", us).c_str());
  out << "\n";
  for (std::size_t i = 0; i < comparison.changes.size(); ++i) {
    const Change& change = comparison.changes[i];
    out << text("%-30s", change.name.c_str());
    for (const double percent : comparison.percent[i])
      out << text(" %14s", shown("%+.1f", percent).c_str());
    out << "\n    recalled: " << change.recalled << "\n";
    if (!change.impossible.empty()) out << "    impossible: " << change.impossible << "\n";
  }
}

std::string json(const std::vector<Outcome>& outcomes, const Comparison& comparison,
                 const std::vector<std::pair<std::string, LinePlot>>& plots) {
  const auto each = [](const auto& what) { return json_of(what); };
  return bj::serialize(bj::object{{"figures", list(outcomes, each)},
                                  {"libraries", list(library_cost_table(), each)},
                                  {"design_choices", json_of(comparison)},
                                  {"curves", list(plots, each)}}) +
         "\n";
}

void write_files(const std::string& directory, const std::vector<Outcome>& outcomes,
                 const Comparison& comparison,
                 const std::vector<std::pair<std::string, LinePlot>>& plots) {
  write(directory + "/figures.json", json(outcomes, comparison, plots));
  write(directory + "/design-choices.svg", svg(bars_of(comparison)));
  for (const auto& [name, plot] : plots) write(directory + "/" + name + ".svg", svg(plot));
}

}  // namespace vmmc::figures
