// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A command as it was read, and the answer to it. Members that are missing, of another type or beyond their
// limits are nonsense: the command does nothing then.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "vmmc/vmmc.h"

namespace vmmc::lab {

// A command that makes no sense; what() is a sentence.
class Nonsense : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Command {
 public:
  explicit Command(boost::json::object members) : members_(std::move(members)) {}

  bool has(std::string_view name) const;
  // In lowest .. highest; without a fallback the member must be there.
  std::uint64_t number(std::string_view name, std::uint64_t lowest, std::uint64_t highest,
                       std::optional<std::uint64_t> fallback = std::nullopt) const;
  bool flag(std::string_view name, bool fallback) const;
  std::string text(std::string_view name, std::size_t longest,
                   std::optional<std::string> fallback = std::nullopt) const;
  // 1 to 32 letters, digits, `-`.
  std::string name(std::string_view member) const;
  // One of the words: its index.
  std::size_t choice(std::string_view name, const std::vector<std::string_view>& words,
                     std::optional<std::size_t> fallback = std::nullopt) const;
  // {"node": N, "process": N}; what is missing is VMMC_ANY.
  vmmc_identity identity(std::string_view name) const;

 private:
  const boost::json::value* find(std::string_view name) const;
  boost::json::object members_;
};

struct Answer {
  std::string call;  // as C
  int status = VMMC_OK;
  boost::json::object members;
};

// printf into a string.
[[gnu::format(printf, 1, 2)]] std::string print(const char* format, ...);

std::string hex_of(const void* bytes, std::size_t count);
std::string text_of(const void* bytes, std::size_t count);  // what cannot be printed is a dot

}  // namespace vmmc::lab
