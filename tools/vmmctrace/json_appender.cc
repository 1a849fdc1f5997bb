// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/json_appender.h"

namespace vmmc::trace_tool {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

}  // namespace

void append_decimal(std::string& to, std::uint64_t value, int digits) {
  std::string text = std::to_string(value);
  const auto width = static_cast<std::size_t>(digits);
  if (text.size() <= width) text.insert(0, width + 1 - text.size(), '0');
  to.append(text, 0, text.size() - width);
  if (width != 0) to.append(1, '.').append(text, text.size() - width);
}

void JsonAppender::separate() {
  if (wants_comma_) to_.push_back(',');
  if (wants_line_) to_.push_back('\n');
  wants_line_ = false;
}

JsonAppender& JsonAppender::raw(std::string_view text) {
  separate();
  to_.append(text);
  wants_comma_ = true;
  return *this;
}

JsonAppender& JsonAppender::open(char bracket) {
  separate();
  to_.push_back(bracket);
  wants_comma_ = false;
  return *this;
}

JsonAppender& JsonAppender::close(char bracket) {
  to_.push_back(bracket);
  wants_comma_ = true;
  return *this;
}

JsonAppender& JsonAppender::key(std::string_view name) {
  string(name);
  to_.push_back(':');
  wants_comma_ = false;
  return *this;
}

JsonAppender& JsonAppender::string(std::string_view text) {
  separate();
  to_.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      to_.append({'\\', c});
    } else if (byte < 0x20 || byte >= 0x7f) {
      to_.append("\\u00").append({kHexDigits[byte >> 4], kHexDigits[byte & 15]});
    } else {
      to_.push_back(c);
    }
  }
  to_.push_back('"');
  wants_comma_ = true;
  return *this;
}

JsonAppender& JsonAppender::decimal(std::uint64_t value, int digits) {
  separate();
  append_decimal(to_, value, digits);
  wants_comma_ = true;
  return *this;
}

}  // namespace vmmc::trace_tool
