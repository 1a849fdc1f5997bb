// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/record_text.h"

#include <algorithm>
#include <boost/json/value.hpp>
#include <iterator>
#include <string>
#include <string_view>

#include "nicsim/status_name.h"
#include "nicsim/trace/names.h"
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
  unsigned fields;
};

constexpr unsigned kWhere = kPeer | kBuffer | kLength | kOffset;

constexpr EventInfo kEvents[] = {
    {TraceEvent::kAttached, 0},
    {TraceEvent::kLeft, 0},
    {TraceEvent::kExported, kBuffer | kLength | kPage},
    {TraceEvent::kUnexported, kBuffer},
    {TraceEvent::kImported, kBuffer | kPeer | kPage | kLength},
    {TraceEvent::kUnimported, kBuffer | kPeer | kPage | kLength},
    {TraceEvent::kRequestRefused, kStatus | kValue},
    {TraceEvent::kBound, kWhere},
    {TraceEvent::kUnbound, kWhere},
    {TraceEvent::kTaken, kWhere},
    {TraceEvent::kStoreSnooped, kWhere},
    {TraceEvent::kOutgoingLookup, kPeer | kPage | kValue},
    {TraceEvent::kPacketMade, kPacket | kWhere | kContent},
    {TraceEvent::kFifoEntered, kPacket | kPeer | kLength | kValue},
    {TraceEvent::kFifoLeft, kPacket | kPeer | kLength | kValue},
    {TraceEvent::kSourceRead, kDuration | kLength},
    {TraceEvent::kPacketSent, kDuration | kPacket | kPeer | kLength},
    {TraceEvent::kPacketCrossed, kDuration | kPacket | kPeer | kLength | kOffset | kValue},
    {TraceEvent::kIncomingLookup, kPacket | kPeer | kPage | kStatus},
    {TraceEvent::kMemoryWritten, kDuration | kPacket | kWhere | kContent},
    {TraceEvent::kCompleted, kPeer | kStatus | kValue},
    {TraceEvent::kRefused, kPeer | kStatus},
    {TraceEvent::kInterrupt, kDuration | kPeer | kBuffer},
    {TraceEvent::kNotified, kPeer | kBuffer | kOffset | kLength | kValue},
    {TraceEvent::kNotificationStall, kPeer | kBuffer},
    {TraceEvent::kPacketDropped, kPacket | kPeer | kLength},
    {TraceEvent::kPacketCorrupted, kPacket | kPeer | kLength},
    {TraceEvent::kPacketDelayed, kPacket | kPeer | kLength | kValue},
};

// Others the page knows no word for.
bool moves_bytes(std::uint8_t kind) {
  return static_cast<Operation>(kind) <= Operation::kAtomic || kind == wire::kTraceRealTimeDatagram;
}

// A datagram's number is the value of its kTaken, its page is said where it changes hands, and its way
// has no hops.
unsigned fields_of(const wire::TraceRecord& record, unsigned fields) {
  if (record.flags & wire::kTraceLendsPage) fields |= kPage;
  if (record.kind != wire::kTraceRealTimeDatagram) return fields;
  if (record.event == TraceEvent::kTaken) return fields | kValue;
  if (record.event == TraceEvent::kPacketCrossed) return (fields | kBuffer | kContent) & ~kValue;
  return fields;
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
  object["event"] = known ? json::string(nicsim::event_name(record.event))
                          : json::string(std::to_string(static_cast<unsigned>(record.event)));
  const std::string_view engine = nicsim::engine_name(record.engine);
  object["engine"] = engine.empty() ? "unknown" : engine;
  object["node"] = record.node;
  if (record.process != 0xffffffff) object["process"] = record.process;
  if (record.operation != 0) {
    object["operation"] = record.operation;
    object["kind"] = moves_bytes(record.kind) ? nicsim::kind_name(record.kind) : "";
  }
  if (known) add_fields(object, record, fields_of(record, info->fields));
  if (record.flags & wire::kTraceNotifies) object["notifies"] = true;
  if (record.flags & wire::kTraceLastPacket) object["last_packet"] = true;
  if (record.flags & wire::kTraceLendsPage) object["lends_page"] = true;
  return object;
}

}  // namespace vmmc::lab
