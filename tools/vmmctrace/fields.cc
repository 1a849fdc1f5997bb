// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/fields.h"

#include "tools/vmmctrace/names.h"

namespace vmmc::trace_tool {
namespace {

using Event = wire::TraceEvent;

constexpr std::uint32_t kPeers = kFieldPeer | kFieldPeerProcess;
constexpr std::uint32_t kBytes = kFieldBuffer | kFieldOffset | kFieldLength;
constexpr std::uint32_t kOperation = kFieldOperation | kFieldFlags | kFieldProcess | kPeers;
constexpr std::uint32_t kPacket = kOperation | kFieldPacket | kBytes | kFieldContent;

std::uint32_t control_fields(Event event) {
  switch (event) {
    case Event::kExported:
      return kFieldProcess | kFieldBuffer | kFieldPage | kFieldLength;
    case Event::kUnexported:
      return kFieldProcess | kFieldBuffer;
    case Event::kImported:
    case Event::kUnimported:
      return kFieldProcess | kPeers | kFieldBuffer | kFieldPage | kFieldLength;
    case Event::kRequestRefused:
      return kFieldProcess | kFieldStatus | kFieldValue;
    case Event::kBound:
    case Event::kUnbound:
      return kFieldProcess | kPeers | kBytes;
    default:
      return kFieldProcess;
  }
}

std::uint32_t operation_fields(Event event) {
  switch (event) {
    case Event::kTaken:
    case Event::kStoreSnooped:
    case Event::kSourceRead:
      return kOperation | kBytes | kFieldContent;
    case Event::kOutgoingLookup:
      return kOperation | kFieldPacket | kFieldPage | kFieldValue;
    case Event::kFifoEntered:
    case Event::kFifoLeft:
    case Event::kPacketCrossed:
    case Event::kPacketDelayed:
      return kPacket | kFieldValue;
    case Event::kIncomingLookup:
      return kPacket | kFieldPage | kFieldStatus;
    case Event::kCompleted:
      return kOperation | kBytes | kFieldStatus | kFieldValue;
    case Event::kRefused:
      return kOperation | kBytes | kFieldStatus;
    case Event::kInterrupt:
    case Event::kNotificationStall:
      return kOperation | kFieldBuffer;
    case Event::kNotified:
      return kOperation | kBytes | kFieldValue;
    default:
      return kPacket;
  }
}

}  // namespace

std::uint32_t meant_fields(const Record& record) {
  std::uint32_t fields =
      record.event < Event::kTaken ? control_fields(record.event) : operation_fields(record.event);
  if (record.is_datagram() && record.event == Event::kTaken) fields |= kFieldValue;
  if (record.is_datagram() && record.event == Event::kPacketCrossed) fields &= ~kFieldValue;
  if (record.lends_page()) fields |= kFieldPage;
  if (record.operation == 0) fields &= ~(kFieldOperation | kFieldPacket | kFieldFlags);
  if (record.process == kUnknownProcess) fields &= ~kFieldProcess;
  if (record.peer_process == kUnknownProcess) fields &= ~kFieldPeerProcess;
  if (record.content_bytes == 0) fields &= ~kFieldContent;
  return fields;
}

std::string hex(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<unsigned>(byte);
    text.append({kDigits[value >> 4], kDigits[value & 15]});
  }
  return text;
}

namespace {

// Calls one of three functions for every field that means something, in the format's order.
template <typename Number, typename Word, typename Flag>
void visit_fields(const Record& record, Number number, Word word, Flag flag) {
  const std::uint32_t fields = meant_fields(record);
  if ((fields & kFieldOperation) != 0) {
    number("operation", record.operation);
    if (const auto kind = kind_name(record.kind); !kind.empty()) word("kind", std::string(kind));
  }
  if ((fields & kFieldPacket) != 0) number("packet", record.packet);
  if ((fields & kFieldStatus) != 0) word("status", status_name(record.status));
  if ((fields & kFieldPeer) != 0) number("peer", record.peer);
  if ((fields & kFieldProcess) != 0) number("process", record.process);
  if ((fields & kFieldPeerProcess) != 0) number("peer_process", record.peer_process);
  if ((fields & kFieldBuffer) != 0) number("buffer", record.buffer);
  if ((fields & kFieldPage) != 0) number("page", record.page);
  if ((fields & kFieldLength) != 0) number("length", record.length);
  if ((fields & kFieldOffset) != 0) number("offset", record.offset);
  if ((fields & kFieldValue) != 0) number("value", record.value);
  if ((fields & kFieldContent) != 0) word("content", hex(record.meant_content()));
  if ((fields & kFieldFlags) != 0) {
    flag("notifies", record.notifies());
    flag("last_packet", record.is_last_packet());
    if (record.is_datagram()) flag("lends_page", record.lends_page());
  }
}

}  // namespace

void append_members(JsonAppender& json, const Record& record) {
  visit_fields(
      record, [&](std::string_view name, std::uint64_t value) { json.key(name).number(value); },
      [&](std::string_view name, const std::string& text) { json.key(name).string(text); },
      [&](std::string_view name, bool value) { json.key(name).boolean(value); });
}

std::string field_text(const Record& record) {
  std::string text;
  const auto add = [&](std::string_view name) -> std::string& {
    if (!text.empty()) text.push_back(' ');
    return text.append(name);
  };
  visit_fields(
      record,
      [&](std::string_view name, std::uint64_t value) {
        add(name).append("=").append(std::to_string(value));
      },
      [&](std::string_view name, const std::string& word) { add(name).append("=").append(word); },
      [&](std::string_view name, bool value) {
        if (value) add(name);
      });
  return text;
}

}  // namespace vmmc::trace_tool
