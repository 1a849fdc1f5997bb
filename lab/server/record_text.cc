// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/record_text.h"

#include <algorithm>
#include <boost/json/value.hpp>
#include <iterator>
#include <string>
#include <string_view>

#include "nicsim/status_name.h"
#include "nicsim/wire/send_descriptor.h"

namespace vmmc::lab {
namespace {

namespace json = boost::json;
using wire::Operation;
using wire::TraceEvent;

// Which fields an event has a meaning for.
enum Field : unsigned {
  kDuration = 1,
  kPacket = 2,
  kStatus = 4,
  kPeer = 8,
  kBuffer = 16,
  kPage = 32,
  kLength = 64,
  kOffset = 128,
  kValue = 256,
  kContent = 512,
};

struct EventInfo {
  TraceEvent event;
  std::string_view name;
  unsigned fields;
};

constexpr unsigned kWhere = kPeer | kBuffer | kLength | kOffset;

constexpr EventInfo kEvents[] = {
    {TraceEvent::kAttached, "attached", 0},
    {TraceEvent::kLeft, "left", 0},
    {TraceEvent::kExported, "exported", kBuffer | kLength | kPage},
    {TraceEvent::kUnexported, "unexported", kBuffer},
    {TraceEvent::kImported, "imported", kBuffer | kPeer | kPage | kLength},
    {TraceEvent::kUnimported, "unimported", kBuffer | kPeer | kPage | kLength},
    {TraceEvent::kRequestRefused, "request_refused", kStatus | kValue},
    {TraceEvent::kBound, "bound", kWhere},
    {TraceEvent::kUnbound, "unbound", kWhere},
    {TraceEvent::kTaken, "taken", kWhere},
    {TraceEvent::kStoreSnooped, "store_snooped", kWhere},
    {TraceEvent::kOutgoingLookup, "outgoing_lookup", kPeer | kPage | kValue},
    {TraceEvent::kPacketMade, "packet_made", kPacket | kWhere | kContent},
    {TraceEvent::kFifoEntered, "fifo_entered", kPacket | kPeer | kLength | kValue},
    {TraceEvent::kFifoLeft, "fifo_left", kPacket | kPeer | kLength | kValue},
    {TraceEvent::kSourceRead, "source_read", kDuration | kLength},
    {TraceEvent::kPacketSent, "packet_sent", kDuration | kPacket | kPeer | kLength},
    {TraceEvent::kPacketCrossed, "packet_crossed",
     kDuration | kPacket | kPeer | kLength | kOffset | kValue},
    {TraceEvent::kIncomingLookup, "incoming_lookup", kPacket | kPeer | kPage | kStatus},
    {TraceEvent::kMemoryWritten, "memory_written", kDuration | kPacket | kWhere | kContent},
    {TraceEvent::kCompleted, "completed", kPeer | kStatus | kValue},
    {TraceEvent::kRefused, "refused", kPeer | kStatus},
    {TraceEvent::kInterrupt, "interrupt", kDuration | kPeer | kBuffer},
    {TraceEvent::kNotified, "notified", kPeer | kBuffer | kOffset | kLength | kValue},
    {TraceEvent::kNotificationStall, "notification_stall", kPeer | kBuffer},
    {TraceEvent::kPacketDropped, "packet_dropped", kPacket | kPeer | kLength},
    {TraceEvent::kPacketCorrupted, "packet_corrupted", kPacket | kPeer | kLength},
    {TraceEvent::kPacketDelayed, "packet_delayed", kPacket | kPeer | kLength | kValue},
};

constexpr std::string_view kEngines[wire::kTraceEngines] = {"control_server",
                                                            "processor",
                                                            "snoop_logic",
                                                            "outgoing_page_table",
                                                            "packetizer",
                                                            "outgoing_fifo",
                                                            "deliberate_update_engine",
                                                            "network_interface_chip",
                                                            "backplane",
                                                            "incoming_page_table",
                                                            "incoming_dma_engine",
                                                            "notification"};

std::string_view kind_text(std::uint8_t kind) {
  switch (static_cast<Operation>(kind)) {
    case Operation::kDeliberateUpdate:
      return "deliberate_update";
    case Operation::kAutomaticUpdate:
      return "automatic_update";
    case Operation::kFetch:
      return "fetch";
    case Operation::kAtomic:
      return "atomic";
    default:
      return "";
  }
}

json::string content_text(const wire::TraceRecord& record) {
  constexpr char kDigits[] = "0123456789abcdef";
  json::string text;
  const std::uint32_t bytes = std::min(record.content_bytes, wire::kTraceContentBytes);
  for (std::uint32_t i = 0; i < bytes; ++i) {
    const auto byte = std::to_integer<unsigned>(record.content[i]);
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

double ns(std::uint64_t ps) { return static_cast<double>(ps) / 1000.0; }

void add_fields(json::object& object, const wire::TraceRecord& record, unsigned fields) {
  if (fields & kDuration) object["duration"] = ns(record.duration);
  if (fields & kPacket) object["packet"] = record.packet;
  if (fields & kStatus) {
    object["status"] = nicsim::status_name(static_cast<wire::Status>(record.status));
  }
  if (fields & kPeer) {
    object["peer"] = record.peer;
    if (record.peer_process != 0xffffffff) object["peer_process"] = record.peer_process;
  }
  if (fields & kBuffer) object["buffer"] = record.buffer;
  if (fields & kPage) object["page"] = record.page;
  if (fields & kLength) object["length"] = record.length;
  if (fields & kOffset) object["offset"] = record.offset;
  if (fields & kValue) object["value"] = record.value;
  if ((fields & kContent) && record.content_bytes > 0) object["content"] = content_text(record);
}

}  // namespace

json::object to_json(const wire::TraceRecord& record) {
  const auto info = std::find_if(std::begin(kEvents), std::end(kEvents),
                                 [&](const EventInfo& one) { return one.event == record.event; });
  const bool known = info != std::end(kEvents);
  json::object object;
  object["n"] = record.sequence.load(std::memory_order_relaxed) - 1;
  object["time"] = ns(record.time);
  object["event"] = known ? json::string(info->name)
                          : json::string(std::to_string(static_cast<unsigned>(record.event)));
  const auto engine = static_cast<std::size_t>(record.engine);
  object["engine"] = engine < std::size(kEngines) ? kEngines[engine] : std::string_view("unknown");
  object["node"] = record.node;
  if (record.process != 0xffffffff) object["process"] = record.process;
  if (record.operation != 0) {
    object["operation"] = record.operation;
    object["kind"] = kind_text(record.kind);
  }
  if (known) add_fields(object, record, info->fields);
  if (record.flags & wire::kTraceNotifies) object["notifies"] = true;
  if (record.flags & wire::kTraceLastPacket) object["last_packet"] = true;
  return object;
}

}  // namespace vmmc::lab
