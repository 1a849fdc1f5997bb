// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/testing/frames.h"

#include <cstring>

namespace vmmc::dump::testing {
namespace {

std::string word(std::size_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 12; shift >= 0; shift -= 4) text += kDigits[value >> shift & 15];
  return text;
}

}  // namespace

Bytes from_hex(const std::string& digits) {
  Bytes bytes;
  int half = -1;
  for (const char letter : digits) {
    if (letter == ' ') continue;
    const int value = letter <= '9' ? letter - '0' : letter - 'a' + 10;
    if (half < 0) {
      half = value;
    } else {
      bytes.push_back(static_cast<std::byte>(half << 4 | value));
      half = -1;
    }
  }
  return bytes;
}

Bytes joined(const Bytes& first, const Bytes& second) {
  Bytes all = first;
  all.insert(all.end(), second.begin(), second.end());
  return all;
}

Bytes ethernet(std::uint16_t type, const Bytes& payload) {
  return joined(from_hex("020000000002 020000000001" + word(type)), payload);
}

Bytes ipv4(std::uint8_t protocol, const Bytes& payload) {
  return joined(from_hex("4500" + word(20 + payload.size()) + "0000 0000 40" +
                         word(protocol).substr(2) + "0000 0a000001 0a000002"),
                payload);
}

Bytes ipv6(std::uint8_t next_header, const Bytes& payload) {
  return joined(from_hex("60000000" + word(payload.size()) + word(next_header).substr(2) +
                         "40 fd000000000000000000000000000001 fd000000000000000000000000000002"),
                payload);
}

Bytes tcp(std::uint16_t source, std::uint16_t destination, std::uint8_t flags,
          std::size_t payload) {
  return joined(from_hex(word(source) + word(destination) + "00000007 00000009 50" +
                         word(flags).substr(2) + "0400 0000 0000"),
                Bytes(payload, std::byte{'p'}));
}

Bytes udp(std::uint16_t source, std::uint16_t destination, std::size_t payload) {
  return joined(from_hex(word(source) + word(destination) + word(8 + payload) + "0000"),
                Bytes(payload, std::byte{'p'}));
}

WholeFrame whole(const Bytes& bytes, std::uint16_t link_type) {
  return {0, static_cast<std::uint32_t>(bytes.size()), link_type, bytes};
}

RingFrame::RingFrame(const Bytes& bytes, std::uint16_t link_type)
    : memory_(new std::byte[sizeof(vmmc_frame) + bytes.size()]()) {
  frame().captured = static_cast<std::uint32_t>(bytes.size());
  frame().length = frame().captured;
  frame().link_type = link_type;
  if (!bytes.empty()) std::memcpy(memory_.get() + sizeof(vmmc_frame), bytes.data(), bytes.size());
}

}  // namespace vmmc::dump::testing
