// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/requestserver/service.h"

#include <boost/crc.hpp>
#include <charconv>
#include <cstdio>

namespace examples::requestserver {
namespace {

std::string words(std::string_view text) {
  std::size_t count = 0;
  bool inside = false;
  for (const char byte : text) {
    const bool blank = byte == ' ' || byte == '\t' || byte == '\n';
    count += !blank && !inside;
    inside = !blank;
  }
  return std::to_string(count);
}

std::string checksum(std::string_view text) {
  boost::crc_32_type crc;
  crc.process_bytes(text.data(), text.size());
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(crc.checksum()));
  return digits;
}

std::string factors(std::uint64_t number) {
  std::string found;
  const auto add = [&](std::uint64_t prime) {
    if (!found.empty()) found += ' ';
    found += std::to_string(prime);
  };
  for (std::uint64_t divisor = 2; divisor * divisor <= number; divisor += 1 + divisor % 2) {
    for (; number % divisor == 0; number /= divisor) add(divisor);
  }
  if (number > 1) add(number);
  return found;
}

Answer factor(std::string_view text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (stop != end || error == std::errc::invalid_argument) {
    return {true, "the text is no decimal number"};
  }
  if (error != std::errc{} || number < 2 || number > kLargestNumber) {
    return {true, "the number is not in 2 .. " + std::to_string(kLargestNumber)};
  }
  return {false, factors(number)};
}

}  // namespace

std::string fault_of_message(std::uint32_t kind, std::size_t offset, std::size_t length) {
  if (kind >= kKinds) return std::to_string(kind) + " is no kind of request";
  if (offset >= std::size_t{kLanes} * kLaneBytes || offset % kLaneBytes != 0) {
    return "offset " + std::to_string(offset) + " is not the start of a lane";
  }
  if (length == 0 || length > kLaneBytes) {
    return "a request has 1 .. " + std::to_string(kLaneBytes) + " bytes, not " +
           std::to_string(length);
  }
  if (kind == kHello && offset != 0) return "a hello belongs in lane 0";
  return {};
}

Answer answer(std::uint32_t kind, std::string_view text) {
  switch (kind) {
    case kReverse:
      return {false, std::string(text.rbegin(), text.rend())};
    case kWords:
      return {false, words(text)};
    case kChecksum:
      return {false, checksum(text)};
    case kFactor:
      return factor(text);
    default:
      return {true, std::to_string(kind) + " is no kind of request"};
  }
}

}  // namespace examples::requestserver
