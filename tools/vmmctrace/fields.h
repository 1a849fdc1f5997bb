// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which fields of a record mean something: it depends on its event.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tools/vmmctrace/json_appender.h"
#include "tools/vmmctrace/record.h"

namespace vmmc::trace_tool {

// Bits of a set of fields.
enum Field : std::uint32_t {
  kFieldOperation = 1U << 0,  // and kind
  kFieldPacket = 1U << 1,
  kFieldStatus = 1U << 2,
  kFieldPeer = 1U << 3,
  kFieldProcess = 1U << 4,  // if it is known
  kFieldPeerProcess = 1U << 5,
  kFieldBuffer = 1U << 6,
  kFieldPage = 1U << 7,
  kFieldLength = 1U << 8,
  kFieldOffset = 1U << 9,
  kFieldValue = 1U << 10,
  kFieldContent = 1U << 11,
  kFieldFlags = 1U << 12,  // notifies, last_packet, lends_page
};

// Of the record's event; without those that are plainly not there: an operation, a process or content that
// the record does not have.
std::uint32_t meant_fields(const Record& record);

// Members of an object that has been begun: what meant_fields() says, in the words of lab/protocol.md.
void append_members(JsonAppender& json, const Record& record);

// "operation=7 kind=deliberate_update packet=2"
std::string field_text(const Record& record);

std::string hex(std::span<const std::byte> bytes);

}  // namespace vmmc::trace_tool
