// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <unordered_map>

#include "nicsim/trace/packet_header.h"
#include "nicsim/wire/version.h"
#include "tools/pcapng/pcapng.h"
#include "tools/vmmctrace/packets.h"
#include "tools/vmmctrace/writers.h"

namespace vmmc::trace_tool {
namespace {

using Event = wire::TraceEvent;

constexpr std::size_t kHeaderBytes = sizeof(nicsim::PacketHeader);

pcapng::Section section_of(const TraceFile& trace) {
  const Machine& machine = trace.machine();
  pcapng::Section section;
  section.comments.push_back(machine.simulated ? "simulated time, model " + machine.model
                                               : "real time");
  for (std::string& loss : losses(trace)) section.comments.push_back(std::move(loss));
  section.application = "vmmctrace " VMMC_VERSION_STRING;
  return section;
}

// One that was dropped has come to nobody.
pcapng::Direction direction_of(const Record& record) {
  if (record.event == Event::kPacketSent) return pcapng::Direction::kOutbound;
  if (is_end(record) && record.event != Event::kPacketDropped) return pcapng::Direction::kInbound;
  return pcapng::Direction::kUnknown;
}

nicsim::PacketHeader packet_header(const Record& record) {
  const bool end = is_end(record);
  return {.event = static_cast<std::uint8_t>(record.event),
          .kind = record.kind,
          .flags = record.flags,
          .status = record.status,
          .from_node = end ? record.peer : record.node,
          .to_node = end ? record.node : record.peer,
          .from_process = end ? record.peer_process : record.process,
          .to_process = end ? record.process : record.peer_process,
          .buffer = record.buffer,
          .packet = record.packet,
          .page = record.page,
          .operation = record.operation,
          .offset = record.offset,
          .length = record.length,
          .time = record.time,
          .duration = record.duration};
}

class PcapngWriter {
 public:
  PcapngWriter(const TraceFile& trace, Sink& sink) : trace_(trace), sink_(sink) {}

  void write() {
    pcapng::append_section(sink_.text(), section_of(trace_));
    for (std::uint32_t node = 0; node < trace_.machine().nodes(); ++node) {
      pcapng::append_interface(sink_.text(),
                               {nicsim::kPacketLinkType, 0, "node " + std::to_string(node), {}});
    }
    for (const std::uint32_t index : trace_.by_time()) {
      const Record& record = trace_.records()[index];
      if (record.event == Event::kPacketMade) {
        made_[{record.operation, record.packet, record.node, record.peer}] = index;
      }
      if (is_packet_event(record)) write_packet(record);
      sink_.flush_if_full();
    }
  }

 private:
  // What is known of its bytes: an engine that does not look at them does not record them.
  std::span<const std::byte> content(const Record& record) const {
    if (record.content_bytes != 0) return record.meant_content();
    PacketKey key{record.operation, record.packet, record.node, record.peer};
    if (is_end(record)) std::swap(key.from, key.to);
    const auto found = made_.find(key);
    if (found == made_.end()) return {};
    return trace_.records()[found->second].meant_content();
  }

  std::uint64_t timestamp(const Record& record) const {  // ns
    return record.time / 1000 + (trace_.machine().simulated ? 0 : trace_.machine().began);
  }

  void write_packet(const Record& record) {
    auto bytes = content(record);
    bytes = bytes.first(std::min<std::uint64_t>(bytes.size(), record.length));
    const auto original = std::min<std::uint64_t>(record.length, 0xffffffff - kHeaderBytes);
    const nicsim::PacketHeader header = packet_header(record);
    const std::string sentence = packet_sentence(record);
    pcapng::Packet packet;
    packet.interface = record.node;
    packet.time = timestamp(record);
    packet.length = static_cast<std::uint32_t>(kHeaderBytes + original);
    packet.head = std::as_bytes(std::span(&header, 1));
    packet.tail = bytes;
    packet.comment = sentence;
    packet.direction = direction_of(record);
    pcapng::append_packet(sink_.text(), packet);
  }

  const TraceFile& trace_;
  Sink& sink_;
  std::unordered_map<PacketKey, std::uint32_t, PacketKeyHash> made_;
};

}  // namespace

void write_pcapng(const TraceFile& trace, Sink& sink) { PcapngWriter(trace, sink).write(); }

}  // namespace vmmc::trace_tool
