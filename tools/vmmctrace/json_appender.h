// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Appends JSON to a string: small, so that files of many millions of values need no tree in memory. It puts
// the commas; whoever uses it sees to it that brackets match and that members have keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vmmc::trace_tool {

class JsonAppender {
 public:
  explicit JsonAppender(std::string& to) : to_(to) {}

  JsonAppender& begin_object() { return open('{'); }
  JsonAppender& end_object() { return close('}'); }
  JsonAppender& begin_array() { return open('['); }
  JsonAppender& end_array() { return close(']'); }
  JsonAppender& key(std::string_view name);

  // Bytes that are no printable ASCII are escaped as if each were a character of its own.
  JsonAppender& string(std::string_view text);
  JsonAppender& number(std::uint64_t value) { return raw(std::to_string(value)); }
  JsonAppender& boolean(bool value) { return raw(value ? "true" : "false"); }
  JsonAppender& null() { return raw("null"); }
  // `value` divided by 10 to the power of `digits`, exactly.
  JsonAppender& decimal(std::uint64_t value, int digits);

  // A new line, which has no meaning, before the next value.
  void line() { wants_line_ = true; }

 private:
  JsonAppender& raw(std::string_view text);
  JsonAppender& open(char bracket);
  JsonAppender& close(char bracket);
  void separate();

  std::string& to_;
  bool wants_comma_ = false;
  bool wants_line_ = false;
};

// `value` divided by 10 to the power of `digits`, with all these digits.
void append_decimal(std::string& to, std::uint64_t value, int digits);

}  // namespace vmmc::trace_tool
