// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/flow_hash.h"

#include <cstring>

#include "nicsim/wire/frame_ring.h"

namespace vmmc::nicsim {
namespace {

using Bytes = std::span<const std::byte>;

// LINKTYPE_...
constexpr std::uint16_t kEthernet = 1;
constexpr std::uint16_t kRawIp = 101;
constexpr std::uint16_t kLinuxCooked = 113;
constexpr std::uint16_t kLinuxCooked2 = 276;

constexpr std::uint16_t kIpv4 = 0x0800;
constexpr std::uint16_t kIpv6 = 0x86dd;

// More headers than these in a row are nothing that a network carries.
constexpr int kMostTags = 8;
constexpr int kMostExtensions = 8;

template <typename T>
T load(Bytes bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}
std::uint16_t big16(Bytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[at]) << 8 |
                                    std::to_integer<unsigned>(bytes[at + 1]));
}

std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 32;
  value *= 0xd6e8feb86659fd93;
  value ^= value >> 32;
  value *= 0xd6e8feb86659fd93;
  return value ^ value >> 32;
}

// Of two ends in either order.
std::uint32_t hash_of(std::uint64_t one, std::uint64_t other, std::uint64_t common) {
  return static_cast<std::uint32_t>(mix(mix(one) + mix(other) + common) >> 32);
}

bool has_ports(unsigned protocol) {
  constexpr unsigned kTcp = 6, kUdp = 17, kDccp = 33, kSctp = 132, kUdpLite = 136;
  return protocol == kTcp || protocol == kUdp || protocol == kDccp || protocol == kSctp ||
         protocol == kUdpLite;
}

// `one` and `other` are the addresses, as numbers; the protocol's header begins at `at`.
std::uint32_t with_ports(std::uint64_t one, std::uint64_t other, Bytes packet, std::size_t at,
                         unsigned protocol) {
  if (has_ports(protocol) && at + 4 <= packet.size()) {
    one += std::uint64_t{big16(packet, at)} << 32;
    other += std::uint64_t{big16(packet, at + 2)} << 32;
  }
  return hash_of(one, other, protocol);
}

std::uint32_t of_ipv4(Bytes packet) {
  if (packet.size() < 20) return 0;
  const std::uint64_t from = load<std::uint32_t>(packet, 12);
  const std::uint64_t to = load<std::uint32_t>(packet, 16);
  const bool fragment = (big16(packet, 6) & 0x3fff) != 0;  // an offset, or more to come
  if (fragment) return hash_of(from, to, 0);
  const std::size_t header = (std::to_integer<std::size_t>(packet[0]) & 15) * 4;
  return with_ports(from, to, packet, header, std::to_integer<unsigned>(packet[9]));
}

std::uint32_t of_ipv6(Bytes packet) {
  constexpr unsigned kHopByHop = 0, kRouting = 43, kFragment = 44, kDestination = 60;
  if (packet.size() < 40) return 0;
  const auto address = [&](std::size_t at) {
    return mix(load<std::uint64_t>(packet, at)) + load<std::uint64_t>(packet, at + 8);
  };
  const std::uint64_t from = address(8);
  const std::uint64_t to = address(24);
  unsigned next = std::to_integer<unsigned>(packet[6]);
  std::size_t at = 40;
  for (int i = 0; i < kMostExtensions; ++i) {
    if (next == kFragment) return hash_of(from, to, 0);
    if (next != kHopByHop && next != kRouting && next != kDestination) break;
    if (at + 2 > packet.size()) break;
    next = std::to_integer<unsigned>(packet[at]);
    at += (std::to_integer<std::size_t>(packet[at + 1]) + 1) * 8;
  }
  return with_ports(from, to, packet, at, next);
}

// Whatever the link says, an IP packet says its version itself.
std::uint32_t of_ip(Bytes packet) {
  if (packet.empty()) return 0;
  const unsigned version = std::to_integer<unsigned>(packet[0]) >> 4;
  return version == 4 ? of_ipv4(packet) : version == 6 ? of_ipv6(packet) : 0;
}

std::uint32_t of_ethernet(Bytes frame) {
  if (frame.size() < 14) return 0;
  std::size_t at = 12;
  for (int i = 0; i < kMostTags && at + 6 <= frame.size(); ++i) {
    const std::uint16_t type = big16(frame, at);
    if (type != 0x8100 && type != 0x88a8 && type != 0x9100) break;
    at += 4;
  }
  const std::uint16_t type = big16(frame, at);
  if (type == kIpv4 || type == kIpv6) return of_ip(frame.subspan(at + 2));
  const auto station = [&](std::size_t first) {
    return std::uint64_t{load<std::uint32_t>(frame, first)} << 16 |
           load<std::uint16_t>(frame, first + 4);
  };
  return hash_of(station(0), station(6), 0);
}

std::uint32_t of_cooked(Bytes frame, std::size_t type_at, std::size_t header) {
  if (frame.size() < header) return 0;
  const std::uint16_t type = big16(frame, type_at);
  return type == kIpv4 || type == kIpv6 ? of_ip(frame.subspan(header)) : 0;
}

std::uint32_t of_backplane(Bytes frame) {
  if (frame.size() < wire::kBackplaneHeaderBytes) return 0;
  const std::uint64_t from =
      std::uint64_t{load<std::uint16_t>(frame, 8)} << 32 | load<std::uint32_t>(frame, 12);
  const std::uint64_t to =
      std::uint64_t{load<std::uint16_t>(frame, 10)} << 32 | load<std::uint32_t>(frame, 16);
  return hash_of(from, to, 0);
}

}  // namespace

std::uint32_t flow_hash(std::span<const std::byte> frame, std::uint16_t link_type) {
  switch (link_type) {
    case kEthernet:
      return of_ethernet(frame);
    case kRawIp:
      return of_ip(frame);
    case kLinuxCooked:
      return of_cooked(frame, 14, 16);
    case kLinuxCooked2:
      return of_cooked(frame, 0, 20);
    case wire::kBackplaneLinkType:
      return of_backplane(frame);
    default:
      return 0;
  }
}

}  // namespace vmmc::nicsim
