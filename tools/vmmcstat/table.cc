// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tools/vmmcstat/table.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

namespace vmmc::stat {
namespace {

// Three digits that count.
std::string three_digits(double number) {
  char text[32];
  const int digits = number < 10 ? 2 : number < 100 ? 1 : 0;
  std::snprintf(text, sizeof text, "%.*f", digits, number);
  return text;
}

}  // namespace

Table::Table(std::vector<std::string> heads) {
  for (std::string& head : heads) {
    const bool left = head.starts_with('<');
    left_.push_back(left);
    if (left) head.erase(0, 1);
  }
  rows_.push_back(std::move(heads));
}

std::vector<std::string> Table::lines() const {
  std::vector<std::size_t> widths(left_.size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::vector<std::string> result;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      const std::string blanks(widths[i] - row[i].size(), ' ');
      line += left_[i] ? row[i] + blanks : blanks + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result.push_back(std::move(line));
  }
  return result;
}

std::string short_number(double number) {
  constexpr double kPlain = 10'000;
  constexpr const char* kUnits[] = {"k", "M", "G", "T", "P", "E"};
  if (number < kPlain) {
    char text[32];
    std::snprintf(text, sizeof text, "%.0f", number);
    return text;
  }
  std::size_t unit = 0;
  number /= 1000;
  while (number >= 999.5 && unit + 1 < std::size(kUnits)) {
    number /= 1000;
    ++unit;
  }
  return three_digits(number) + kUnits[unit];
}

std::string duration(std::uint64_t ns) {
  if (ns < 1000) return std::to_string(ns) + " ns";
  double number = static_cast<double>(ns) / 1000;
  for (const char* unit : {" us", " ms"}) {
    if (number < 999.5) return three_digits(number) + unit;
    number /= 1000;
  }
  return three_digits(number) + " s";
}

}  // namespace vmmc::stat
