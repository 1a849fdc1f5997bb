// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/actor/command.h"

#include <algorithm>
#include <cctype>
#include <cstdarg>
#include <cstdio>

namespace vmmc::lab {
namespace {

std::string quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

}  // namespace

const boost::json::value* Command::find(std::string_view name) const {
  const boost::json::value* const found = members_.if_contains({name.data(), name.size()});
  return found == nullptr || found->is_null() ? nullptr : found;
}

bool Command::has(std::string_view name) const { return find(name) != nullptr; }

std::uint64_t Command::number(std::string_view name, std::uint64_t lowest, std::uint64_t highest,
                              std::optional<std::uint64_t> fallback) const {
  const boost::json::value* const found = find(name);
  if (found == nullptr && fallback) return *fallback;
  if (found == nullptr) throw Nonsense(quoted(name) + " is missing");
  boost::json::error_code error;
  const auto value = found->to_number<std::uint64_t>(error);
  if (error || value < lowest || value > highest) {
    throw Nonsense(quoted(name) + " is not a whole number from " + std::to_string(lowest) + " to " +
                   std::to_string(highest));
  }
  return value;
}

bool Command::flag(std::string_view name, bool fallback) const {
  const boost::json::value* const found = find(name);
  if (found == nullptr) return fallback;
  if (!found->is_bool()) throw Nonsense(quoted(name) + " is neither true nor false");
  return found->get_bool();
}

std::string Command::text(std::string_view name, std::size_t longest,
                          std::optional<std::string> fallback) const {
  const boost::json::value* const found = find(name);
  if (found == nullptr && fallback) return *fallback;
  if (found == nullptr) throw Nonsense(quoted(name) + " is missing");
  if (!found->is_string() || found->get_string().empty() || found->get_string().size() > longest) {
    throw Nonsense(quoted(name) + " is not a text of 1 to " + std::to_string(longest) + " bytes");
  }
  return std::string(found->get_string());
}

std::string Command::name(std::string_view member) const {
  std::string name = text(member, 32);
  const bool plain = std::all_of(name.begin(), name.end(),
                                 [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; });
  if (!plain) throw Nonsense(quoted(member) + " may have letters, digits and - only");
  return name;
}

std::size_t Command::choice(std::string_view name, const std::vector<std::string_view>& words,
                            std::optional<std::size_t> fallback) const {
  const boost::json::value* const found = find(name);
  if (found == nullptr && fallback) return *fallback;
  const std::string said = text(name, 32);
  const auto word = std::find(words.begin(), words.end(), said);
  if (word != words.end()) return static_cast<std::size_t>(word - words.begin());
  std::string all;
  for (const std::string_view each : words) all += (all.empty() ? "" : ", ") + std::string(each);
  throw Nonsense(quoted(name) + " is none of: " + all);
}

vmmc_identity Command::identity(std::string_view name) const {
  const boost::json::value* const found = find(name);
  if (found == nullptr || !found->is_object()) {
    throw Nonsense(quoted(name) + " is not an object with node and process");
  }
  const Command members(found->get_object());
  return {static_cast<std::uint32_t>(members.number("node", 0, VMMC_ANY, VMMC_ANY)),
          static_cast<std::uint32_t>(members.number("process", 0, VMMC_ANY, VMMC_ANY))};
}

std::string print(const char* format, ...) {
  char line[512];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  return line;
}

std::string hex_of(const void* bytes, std::size_t count) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned char byte = static_cast<const unsigned char*>(bytes)[i];
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

std::string text_of(const void* bytes, std::size_t count) {
  std::string text(static_cast<const char*>(bytes), count);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '.');
  return text;
}

}  // namespace vmmc::lab
