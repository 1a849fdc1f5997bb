// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/summary.h"

#include <array>
#include <cstdio>

namespace vmmc::dump {
namespace {

constexpr std::uint16_t kEthernet = 1;
constexpr std::uint16_t kRawIp = 101;
constexpr std::uint16_t kBackplane = 147;

void append_time(std::string& to, std::uint64_t time) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const auto of_day = static_cast<unsigned>(time / kSecond % 86'400);
  char text[32];
  std::snprintf(text, sizeof text, "%02u:%02u:%02u.%09u ", of_day / 3600, of_day / 60 % 60,
                of_day % 60, static_cast<unsigned>(time % kSecond));
  to += text;
}

bool is_printable(std::byte byte) { return byte >= std::byte{' '} && byte <= std::byte{'~'}; }

}  // namespace

void append_summary(std::string& to, const WholeFrame& frame) {
  append_time(to, frame.time);
  const ByteCursor cursor(frame.bytes);
  switch (frame.link_type) {
    case kEthernet:
      append_ethernet(to, cursor, frame.length);
      break;
    case kRawIp:
      append_ip(to, cursor);
      break;
    case kBackplane:
      append_backplane(to, cursor);
      break;
    default:
      to += "link type " + std::to_string(frame.link_type) + " length " +
            std::to_string(frame.length);
  }
  to += '\n';
}

void append_hex(std::string& to, const WholeFrame& frame) {
  constexpr std::size_t kInLine = 16;
  constexpr std::array<char, 17> kDigits{"0123456789abcdef"};
  for (std::size_t at = 0; at < frame.bytes.size(); at += kInLine) {
    const auto line = frame.bytes.subspan(at, std::min(kInLine, frame.bytes.size() - at));
    char offset[24];
    std::snprintf(offset, sizeof offset, "  %04zx ", at);
    to += offset;
    for (const std::byte byte : line) {
      to += ' ';
      to += kDigits[static_cast<unsigned>(byte) >> 4];
      to += kDigits[static_cast<unsigned>(byte) & 15];
    }
    to.append(3 * (kInLine - line.size()) + 2, ' ');
    for (const std::byte byte : line) to += is_printable(byte) ? static_cast<char>(byte) : '.';
    to += '\n';
  }
}

}  // namespace vmmc::dump
