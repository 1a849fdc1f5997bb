// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What stands before the payload of a packet of the backplane, in pcapng files of a trace and in
// receive rings: docs/format.md.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vmmc::nicsim {

inline constexpr std::uint8_t kPacketHeaderVersion = 1;
inline constexpr std::uint16_t kPacketLinkType = 147;  // LINKTYPE_USER0

struct PacketHeader {
  std::uint8_t version = kPacketHeaderVersion;
  std::uint8_t event = 0;  // wire::TraceEvent
  std::uint8_t kind = 0;   // wire::Operation, or wire::kTraceRealTimeDatagram
  std::uint8_t flags = 0;  // wire::kTraceNotifies, wire::kTraceLastPacket, wire::kTraceLendsPage
  std::int32_t status = 0;
  std::uint16_t from_node = 0;
  std::uint16_t to_node = 0;
  std::uint32_t from_process = 0;
  std::uint32_t to_process = 0;
  std::uint32_t buffer = 0;
  std::uint32_t packet = 0;  // of the operation
  std::uint32_t page = 0;
  std::uint64_t operation = 0;
  std::uint64_t offset = 0;  // in the buffer
  std::uint64_t length = 0;  // bytes of the packet
  std::uint64_t time = 0;    // ps
  std::uint64_t duration = 0;
};
static_assert(sizeof(PacketHeader) == 72);
static_assert(offsetof(PacketHeader, status) == 4 && offsetof(PacketHeader, from_node) == 8);
static_assert(offsetof(PacketHeader, page) == 28 && offsetof(PacketHeader, operation) == 32);
static_assert(offsetof(PacketHeader, duration) == 64);

}  // namespace vmmc::nicsim
