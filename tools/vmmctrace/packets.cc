// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/packets.h"

#include "tools/vmmctrace/names.h"

namespace vmmc::trace_tool {
namespace {

using Event = wire::TraceEvent;

std::string place(std::uint16_t node, std::uint32_t process) {
  std::string text = "node " + std::to_string(node);
  if (process != kUnknownProcess) text += " process " + std::to_string(process);
  return text;
}

std::string outcome(const Record& record) {
  switch (record.event) {
    case Event::kPacketSent:
      return "are sent";
    case Event::kMemoryWritten:
      return "are written to memory";
    case Event::kPacketCrossed:
      return "have arrived in a page that is lent";
    case Event::kPacketDropped:
      return "are lost: the fault plan drops the packet";
    case Event::kPacketCorrupted:
      return "are thrown away: the packet's checksum is wrong";
    default:
      return "are refused: " + status_name(record.status);
  }
}

}  // namespace

bool is_end(const Record& record) {
  return record.event == Event::kMemoryWritten || record.event == Event::kPacketDropped ||
         record.event == Event::kPacketCorrupted ||
         (record.event == Event::kPacketCrossed && record.lends_page()) ||
         (record.event == Event::kIncomingLookup && record.status != 0);
}

bool is_packet_event(const Record& record) {
  return record.event == Event::kPacketSent || is_end(record);
}

std::string packet_sentence(const Record& record) {
  const std::string here = place(record.node, record.process);
  const std::string there = place(record.peer, record.peer_process);
  const auto kind = kind_name(record.kind);
  std::string text = kind.empty() ? "operation" : spoken(kind);
  text += ' ' + std::to_string(record.operation) + ", packet " + std::to_string(record.packet);
  if (record.is_last_packet()) text += " (last)";
  const bool from_here = !is_end(record);
  text += ", from " + (from_here ? here : there) + " to " + (from_here ? there : here);
  text += ": " + std::to_string(record.length) + " bytes for " +
          (record.is_datagram() ? "channel " : "buffer ") + std::to_string(record.buffer) + " at " +
          std::to_string(record.offset) + ' ';
  return text + outcome(record);
}

std::size_t PacketKeyHash::operator()(const PacketKey& key) const {
  const std::uint64_t ends = (std::uint64_t{key.from} << 16) | key.to;
  const std::uint64_t mixed = key.operation * 0x9e3779b97f4a7c15U + key.packet;
  return (mixed ^ (mixed >> 29)) * 0xbf58476d1ce4e5b9U + ends * 0x94d049bb133111ebU;
}

Packets::Packets(const TraceFile& trace, const std::vector<std::uint32_t>& by_time) {
  std::unordered_map<PacketKey, std::uint32_t, PacketKeyHash> under_way;
  const auto ends_at = [&](const PacketKey& key, std::uint32_t index) {
    const auto sent = under_way.find(key);
    if (sent == under_way.end()) return;
    other_end_[sent->second] = index;
    other_end_[index] = sent->second;
    under_way.erase(sent);
  };
  for (const std::uint32_t index : by_time) {
    const Record& record = trace.records()[index];
    const PacketKey out{record.operation, record.packet, record.node, record.peer};
    const PacketKey in{record.operation, record.packet, record.peer, record.node};
    if (record.event == Event::kPacketSent) {
      under_way[out] = index;
    } else if (is_end(record)) {
      ends_at(in, index);
    }
  }
}

std::uint32_t Packets::other_end(std::uint32_t index) const {
  const auto found = other_end_.find(index);
  return found == other_end_.end() ? kNone : found->second;
}

}  // namespace vmmc::trace_tool
