// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the detector looks at in a frame: TCP and UDP over IPv4 and IPv6, with VLAN tags or without, in Ethernet.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace examples::intrusiondetector {

using Bytes = std::span<const unsigned char>;

struct Address {
  std::array<unsigned char, 16> bytes{};  // IPv4: the first 4
  bool six = false;
  auto operator<=>(const Address&) const = default;
};
std::string text_of(const Address& address);

struct Endpoint {
  Address address;
  std::uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};
std::string text_of(const Endpoint& endpoint);  // "10.0.0.1:80", "[fd00::1]:80"

enum class Protocol : std::uint8_t { kTcp = 6, kUdp = 17 };

struct Packet {
  Endpoint from;
  Endpoint to;
  Protocol protocol = Protocol::kTcp;
  std::uint32_t sequence = 0;  // TCP
  bool syn = false;            // the first of a connection
  Bytes payload;               // in the frame; what was captured of it
};

// Nothing: something else, a later fragment, or a frame whose lengths do not fit.
std::optional<Packet> parse(Bytes frame);

}  // namespace examples::intrusiondetector
