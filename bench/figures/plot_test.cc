// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "bench/figures/plot.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>

namespace vmmc::figures {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

TEST_CASE("each line is drawn with all its points, and named") {
  const std::string text =
      svg(LinePlot{"A < B & C",
                   "x",
                   "y",
                   true,
                   {{"one", {{1, 10}, {2, 20}, {4, 40}}}, {"two", {{1, 5}, {4, 6}}}}});
  CHECK(count(text, "<polyline") == 2);
  CHECK(count(text, "<circle") == 5);
  CHECK(count(text, ">one</text>") == 1);
  CHECK(count(text, ">two</text>") == 1);
  CHECK(count(text, "A &lt; B &amp; C") == 2);  // title and heading
  CHECK(count(text, "</svg>") == 1);
}

TEST_CASE("a greater value stands higher") {
  const std::string text =
      svg(LinePlot{"t", "x", "y", false, {{"one", {{0, 0}, {1, 50}, {2, 100}}}}});
  const std::size_t from = text.find("points=\"") + 8;
  double x[3];
  double y[3];
  REQUIRE(std::sscanf(text.c_str() + from, "%lf,%lf %lf,%lf %lf,%lf", &x[0], &y[0], &x[1], &y[1],
                      &x[2], &y[2]) == 6);
  CHECK(x[0] < x[1]);
  CHECK(x[1] < x[2]);
  CHECK(x[1] - x[0] == doctest::Approx(x[2] - x[1]));
  CHECK(y[0] > y[1]);
  CHECK(y[0] - y[1] == doctest::Approx(y[1] - y[2]));
}

TEST_CASE("each group has one bar of each kind, with its value") {
  const std::string text =
      svg(BarPlot{"t",
                  "%",
                  100,
                  {"first", "second"},
                  {{"one", {1.5, -2.5}}, {"two", {0, 30}}, {"three", {4, 5}}}});
  CHECK(count(text, "<rect x=") == 6 + 3);  // and the legend
  CHECK(count(text, ">+1.5<") == 1);
  CHECK(count(text, ">-2.5<") == 1);
  CHECK(count(text, ">first<") == 1);
}

TEST_CASE("a bar beyond the limit is as long as one at the limit, and says its value") {
  const std::string text = svg(BarPlot{"t", "%", 50, {"g"}, {{"one", {50}}, {"two", {500}}}});
  CHECK(count(text, "width=\"340.00\"") == 2);
  CHECK(count(text, ">+500.0<") == 1);
}

TEST_CASE("nothing but zeros is a plot, too") {
  CHECK(svg(BarPlot{"t", "%", 100, {"g"}, {{"one", {0}}}}).find("nan") == std::string::npos);
  const std::string text = svg(LinePlot{"t", "x", "y", false, {{"one", {{1, 0}}}}});
  CHECK(text.find("nan") == std::string::npos);
  CHECK(text.find("inf") == std::string::npos);
}

TEST_CASE("what is not finite is left out") {
  const double infinite = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string lines = svg(LinePlot{
      "t", "x", "y", true, {{"one", {{1, 2}, {2, infinite}, {4, nan}, {8, 3}}}, {"two", {}}}});
  CHECK(count(lines, "<circle") == 2);
  const std::string nothing = svg(LinePlot{"t", "x", "y", true, {{"one", {{1, nan}}}}});
  CHECK(count(nothing, "<circle") == 0);
  const std::string bars =
      svg(BarPlot{"t", "%", 100, {"g"}, {{"a", {nan}}, {"b", {infinite}}, {"c", {5}}}});
  CHECK(count(bars, ">-<") == 2);
  for (const std::string& text : {lines, nothing, bars}) {
    CHECK(text.find("nan") == std::string::npos);
    CHECK(text.find("inf") == std::string::npos);
  }
}

}  // namespace
}  // namespace vmmc::figures
