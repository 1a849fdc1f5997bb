// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/intrusiondetector/packet.h"

#include <arpa/inet.h>

#include <algorithm>

namespace examples::intrusiondetector {
namespace {

constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kTag = 4;
constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;
constexpr std::size_t kTcpHeader = 20;
constexpr std::size_t kUdpHeader = 8;

// The callers have looked at the length.
std::uint16_t u16(Bytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

Address address(Bytes bytes) {
  Address address;
  std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
  address.six = bytes.size() == address.bytes.size();
  return address;
}

// Takes the header of IP off `bytes`, and says what follows it; 0: nothing that is of interest.
std::uint8_t take_ipv4(Bytes& bytes, Packet& packet) {
  if (bytes.size() < kIpv4Header) return 0;
  const std::size_t header = std::size_t{4} * (bytes[0] & 15);
  const std::size_t total = u16(bytes, 2);
  if (header < kIpv4Header || total < header || bytes.size() < header) return 0;
  if ((u16(bytes, 6) & 0x1fff) != 0) return 0;
  packet.from.address = address(bytes.subspan(12, 4));
  packet.to.address = address(bytes.subspan(16, 4));
  const std::uint8_t protocol = bytes[9];
  bytes = bytes.first(std::min(total, bytes.size())).subspan(header);
  return protocol;
}

std::uint8_t take_ipv6(Bytes& bytes, Packet& packet) {
  if (bytes.size() < kIpv6Header) return 0;
  const std::size_t length = u16(bytes, 4);
  packet.from.address = address(bytes.subspan(8, 16));
  packet.to.address = address(bytes.subspan(24, 16));
  const std::uint8_t protocol = bytes[6];
  bytes = bytes.subspan(kIpv6Header);
  bytes = bytes.first(std::min(length, bytes.size()));
  return protocol;
}

bool take_tcp(Bytes bytes, Packet& packet) {
  if (bytes.size() < kTcpHeader) return false;
  const std::size_t header = std::size_t{4} * (bytes[12] >> 4);
  if (header < kTcpHeader || header > bytes.size()) return false;
  constexpr unsigned kSynAndAck = 0x12;
  constexpr unsigned kSyn = 0x02;
  packet.sequence = std::uint32_t{u16(bytes, 4)} << 16 | u16(bytes, 6);
  packet.syn = (bytes[13] & kSynAndAck) == kSyn;
  packet.payload = bytes.subspan(header);
  return true;
}

}  // namespace

std::optional<Packet> parse(Bytes frame) {
  if (frame.size() < kEthernetHeader) return std::nullopt;
  std::uint16_t type = u16(frame, 12);
  Bytes rest = frame.subspan(kEthernetHeader);
  while ((type == 0x8100 || type == 0x88a8) && rest.size() >= kTag) {
    type = u16(rest, 2);
    rest = rest.subspan(kTag);
  }
  Packet packet;
  std::uint8_t protocol = 0;
  if (type == 0x0800) protocol = take_ipv4(rest, packet);
  if (type == 0x86dd) protocol = take_ipv6(rest, packet);
  if (rest.size() < kUdpHeader) return std::nullopt;
  packet.from.port = u16(rest, 0);
  packet.to.port = u16(rest, 2);
  packet.protocol = static_cast<Protocol>(protocol);
  switch (packet.protocol) {
    case Protocol::kTcp:
      if (!take_tcp(rest, packet)) return std::nullopt;
      return packet;
    case Protocol::kUdp:
      packet.payload = rest.subspan(kUdpHeader);
      return packet;
  }
  return std::nullopt;
}

std::string text_of(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  ::inet_ntop(address.six ? AF_INET6 : AF_INET, address.bytes.data(), text, sizeof text);
  return text;
}

std::string text_of(const Endpoint& endpoint) {
  const std::string host = text_of(endpoint.address);
  return (endpoint.address.six ? '[' + host + ']' : host) + ':' + std::to_string(endpoint.port);
}

}  // namespace examples::intrusiondetector
