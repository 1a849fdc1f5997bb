// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A record that was read from a trace: the bytes of wire::TraceRecord, without its atomic number, so that it
// can be copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "nicsim/wire/trace_record.h"

namespace vmmc::trace_tool {

inline constexpr std::uint32_t kUnknownProcess = 0xffffffff;  // wire::kAnyProcess

struct Record {
  std::uint64_t sequence;  // number of the record + 1
  std::uint64_t time;      // ps
  std::uint64_t duration;  // ps
  std::uint64_t operation;
  std::uint32_t packet;
  wire::TraceEvent event;
  wire::TraceEngine engine;
  std::uint8_t kind;
  std::uint8_t flags;
  std::int32_t status;
  std::uint16_t node;
  std::uint16_t peer;
  std::uint32_t process;
  std::uint32_t peer_process;
  std::uint32_t buffer;
  std::uint32_t page;
  std::uint64_t length;
  std::uint64_t offset;
  std::uint64_t value;
  std::uint32_t content_bytes;
  std::byte content[wire::kTraceContentBytes];

  std::uint64_t number() const { return sequence - 1; }
  std::uint64_t end() const { return time + duration; }
  std::span<const std::byte> meant_content() const { return {content, content_bytes}; }
  bool notifies() const { return (flags & wire::kTraceNotifies) != 0; }
  bool is_last_packet() const { return (flags & wire::kTraceLastPacket) != 0; }
  bool lends_page() const { return (flags & wire::kTraceLendsPage) != 0; }
  bool is_datagram() const { return kind == wire::kTraceRealTimeDatagram; }
};
static_assert(sizeof(Record) == sizeof(wire::TraceRecord));
static_assert(offsetof(Record, packet) == offsetof(wire::TraceRecord, packet));
static_assert(offsetof(Record, status) == offsetof(wire::TraceRecord, status));
static_assert(offsetof(Record, process) == offsetof(wire::TraceRecord, process));
static_assert(offsetof(Record, length) == offsetof(wire::TraceRecord, length));
static_assert(offsetof(Record, content) == offsetof(wire::TraceRecord, content));

}  // namespace vmmc::trace_tool
