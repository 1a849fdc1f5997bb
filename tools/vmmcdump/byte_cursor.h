// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Reads a frame from its first byte on, and never past what is here of it: numbers of a cursor that has run out are
// 0, and ran_out() says so.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace vmmc::dump {

class ByteCursor {
 public:
  explicit ByteCursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> take(std::size_t count) {
    if (count > bytes_.size()) {
      ran_out_ = true;
      bytes_ = {};
      return {};
    }
    const auto taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }
  std::uint64_t big_endian(std::size_t count) {
    std::uint64_t number = 0;
    for (const std::byte byte : take(count)) number = number << 8 | static_cast<std::uint8_t>(byte);
    return number;
  }
  std::uint64_t little_endian(std::size_t count) {
    std::uint64_t number = 0;
    const auto taken = take(count);
    for (std::size_t i = taken.size(); i-- > 0;) {
      number = number << 8 | static_cast<std::uint8_t>(taken[i]);
    }
    return number;
  }
  std::uint8_t u8() { return static_cast<std::uint8_t>(big_endian(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(big_endian(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(big_endian(4)); }

  // Forgets what lies behind the next `count` bytes.
  void limit(std::size_t count) { bytes_ = bytes_.first(std::min(count, bytes_.size())); }
  std::span<const std::byte> rest() const { return bytes_; }
  bool ran_out() const { return ran_out_; }

 private:
  std::span<const std::byte> bytes_;
  bool ran_out_ = false;
};

}  // namespace vmmc::dump
