// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Cuts one stream of output into lines and puts a label before each.
//
// Invariants  What feed() and finish() return is empty or ends with a newline, and is made of whole
// lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vmmc::run {

class OutputPrefixer {
 public:
  // A line longer than this is cut into several, so that output without newlines cannot fill the
  // memory.
  static constexpr std::size_t kMaxLine = 1 << 20;  // bytes

  explicit OutputPrefixer(std::string label) : label_(std::move(label)) {}

  // Takes the next bytes of the stream; returns the lines that they complete.
  std::string feed(std::string_view bytes);

  // The stream has ended: returns the last line if it had no newline.
  std::string finish();

 private:
  std::string label_;
  std::string line_;  // the unfinished line
};

}  // namespace vmmc::run
