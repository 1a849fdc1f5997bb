// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/support/pattern.h"

#include <cstdio>
#include <cstring>

namespace vmmc::bench {
namespace {

constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;  // odd, so no two words of a message are equal
constexpr std::size_t kWord = sizeof(std::uint64_t);

std::uint64_t start_word(MessageNumber number) {
  std::uint64_t z = number.sequence * kStep + (std::uint64_t{number.stream} << 40);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z | 1;
}

std::byte expected_byte(MessageNumber number, std::size_t position) {
  const std::uint64_t word = start_word(number) + position / kWord * kStep;
  std::byte bytes[kWord];
  std::memcpy(bytes, &word, kWord);
  return bytes[position % kWord];
}

}  // namespace

void fill_pattern(std::span<std::byte> message, MessageNumber number) {
  std::uint64_t word = start_word(number);
  const std::size_t whole = message.size() / kWord * kWord;
  for (std::size_t i = 0; i < whole; i += kWord, word += kStep) {
    std::memcpy(message.data() + i, &word, kWord);
  }
  if (whole < message.size()) std::memcpy(message.data() + whole, &word, message.size() - whole);
}

std::optional<std::size_t> find_corruption(std::span<const std::byte> message,
                                           MessageNumber number) {
  std::uint64_t word = start_word(number);
  std::uint64_t difference =
      0;  // one branch for the whole message, so that the compiler can use wide registers
  const std::size_t whole = message.size() / kWord * kWord;
  for (std::size_t i = 0; i < whole; i += kWord, word += kStep) {
    std::uint64_t found;
    std::memcpy(&found, message.data() + i, kWord);
    difference |= found ^ word;
  }
  if (whole < message.size() &&
      std::memcmp(message.data() + whole, &word, message.size() - whole) != 0) {
    difference = 1;
  }
  if (difference == 0) return std::nullopt;
  std::size_t position = 0;
  while (message[position] == expected_byte(number, position)) ++position;
  return position;
}

std::string describe_corruption(std::span<const std::byte> message, MessageNumber number,
                                std::size_t position) {
  char text[160];
  std::snprintf(text, sizeof text,
                "message %llu of %zu bytes: byte %zu is 0x%02x instead of 0x%02x",
                static_cast<unsigned long long>(number.sequence), message.size(), position,
                std::to_integer<unsigned>(message[position]),
                std::to_integer<unsigned>(expected_byte(number, position)));
  return text;
}

}  // namespace vmmc::bench
