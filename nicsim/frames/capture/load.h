// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Numbers at any address, in this machine's byte order or the other one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vmmc::nicsim::capture {

inline std::uint32_t load32(const std::byte* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

struct Loader {
  bool swapped = false;  // the bytes are in the other order

  std::uint16_t load16(const std::byte* at) const {
    std::uint16_t value;
    std::memcpy(&value, at, sizeof value);
    return swapped ? __builtin_bswap16(value) : value;
  }
  std::uint32_t load32(const std::byte* at) const {
    const std::uint32_t value = capture::load32(at);
    return swapped ? __builtin_bswap32(value) : value;
  }
  std::uint64_t load64(const std::byte* at) const {
    std::uint64_t value;
    std::memcpy(&value, at, sizeof value);
    return swapped ? __builtin_bswap64(value) : value;
  }
};

}  // namespace vmmc::nicsim::capture
