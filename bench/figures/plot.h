// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Plots as SVG texts: lines over numbers, and groups of bars. Colours are Okabe and Ito's, which all readers
// can tell apart. The same data give the same text.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace vmmc::figures {

struct Line {
  std::string name;
  // x ascending; > 0 on a logarithmic axis. What is not finite is left out.
  std::vector<std::pair<double, double>> points;
};

struct LinePlot {
  std::string title;
  std::string x_label;
  std::string y_label;
  bool logarithmic_x;  // to the base 2
  std::vector<Line> lines;
};

// y begins at 0.
std::string svg(const LinePlot& plot);

struct BarPlot {
  std::string title;
  std::string label;                // of the values
  double limit;                     // longer bars are drawn as long as this
  std::vector<std::string> groups;  // one above the other
  // One bar in each group; a dash for what is not finite.
  std::vector<std::pair<std::string, std::vector<double>>> bars;
};

std::string svg(const BarPlot& plot);

}  // namespace vmmc::figures
