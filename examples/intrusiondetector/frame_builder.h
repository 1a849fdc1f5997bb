// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Makes Ethernet frames, with right checksums of IPv4.
#pragma once

#include <cstdint>
#include <string>

#include "examples/intrusiondetector/packet.h"

namespace examples::intrusiondetector {

inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kPushAck = 0x18;

// "10.0.0.1" or "fd00::1"; the text is right.
Endpoint endpoint(const std::string& address, std::uint16_t port);

// Both ends are of the same version of IP.
std::string tcp_frame(const Endpoint& from, const Endpoint& to, std::uint32_t sequence,
                      std::uint8_t flags, const std::string& payload);
std::string udp_frame(const Endpoint& from, const Endpoint& to, const std::string& payload);

}  // namespace examples::intrusiondetector
