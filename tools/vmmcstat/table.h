// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A table of text: columns as wide as what they hold. And numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vmmc::stat {

class Table {
 public:
  // A name that begins with '<' heads a column of text (left), any other one of numbers (right).
  explicit Table(std::vector<std::string> heads);

  // As many cells as there are heads.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  // The heads and the rows, without blanks at their ends.
  std::vector<std::string> lines() const;

 private:
  std::vector<bool> left_;
  std::vector<std::vector<std::string>> rows_;
};

// At most 6 characters: "9999", "12.3k", "4.57M".
std::string short_number(double number);
// "870 ns", "12.3 us", "4.57 ms", "1.20 s".
std::string duration(std::uint64_t ns);

}  // namespace vmmc::stat
