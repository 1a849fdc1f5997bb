// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Frames for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tools/vmmcdump/frame_bytes.h"
#include "vmmc/ring.h"

namespace vmmc::dump::testing {

using Bytes = std::vector<std::byte>;

// Of hexadecimal digits; spaces are skipped.
Bytes from_hex(const std::string& digits);
Bytes joined(const Bytes& first, const Bytes& second);

// From 02:00:00:00:00:01 to 02:00:00:00:00:02.
Bytes ethernet(std::uint16_t type, const Bytes& payload);
// From 10.0.0.1 to 10.0.0.2.
Bytes ipv4(std::uint8_t protocol, const Bytes& payload);
// From fd00::1 to fd00::2.
Bytes ipv6(std::uint8_t next_header, const Bytes& payload);
Bytes tcp(std::uint16_t source, std::uint16_t destination, std::uint8_t flags, std::size_t payload);
Bytes udp(std::uint16_t source, std::uint16_t destination, std::size_t payload);

WholeFrame whole(const Bytes& bytes, std::uint16_t link_type = 1);

// A frame as it lies in a ring.
class RingFrame {
 public:
  explicit RingFrame(const Bytes& bytes, std::uint16_t link_type = 1);
  vmmc_frame& frame() { return *reinterpret_cast<vmmc_frame*>(memory_.get()); }

 private:
  std::unique_ptr<std::byte[]> memory_;
};

}  // namespace vmmc::dump::testing
