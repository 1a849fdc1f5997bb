// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/ring/tally.h"

namespace vmmc::bench {
namespace {

void put16(unsigned char* at, std::size_t value) {
  at[0] = static_cast<unsigned char>(value >> 8);
  at[1] = static_cast<unsigned char>(value);
}

}  // namespace

void write_frame(unsigned char* frame, std::size_t bytes) {
  constexpr std::size_t kIp = 14;
  constexpr std::size_t kDatagram = kIp + 20;
  constexpr unsigned char kAddresses[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};  // local ones
  for (std::size_t i = 0; i < bytes; ++i) frame[i] = static_cast<unsigned char>(i * 37 + 11);
  std::memcpy(frame, kAddresses, sizeof kAddresses);
  put16(frame + 12, kEtherType);
  std::memset(frame + kIp, 0, kDatagram + 8 - kIp);
  frame[kIp] = 0x45;
  put16(frame + kIp + 2, bytes - kIp);
  frame[kIp + 8] = 64;
  frame[kIp + 9] = kUdp;
  const unsigned char from_to[] = {10, 0, 0, 1, 10, 0, 0, 2};
  std::memcpy(frame + kIp + 12, from_to, sizeof from_to);
  std::uint32_t checksum = 0;
  for (std::size_t i = kIp; i < kDatagram; i += 2)
    checksum += static_cast<std::uint32_t>(frame[i] << 8 | frame[i + 1]);
  while (checksum > 0xffff) checksum = (checksum & 0xffff) + (checksum >> 16);
  put16(frame + kIp + 10, ~checksum & 0xffff);
  put16(frame + kDatagram, kPort);
  put16(frame + kDatagram + 2, kPort);
  put16(frame + kDatagram + 4, bytes - kDatagram);  // no checksum
}

}  // namespace vmmc::bench
