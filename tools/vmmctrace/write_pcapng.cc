// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <unordered_map>

#include "nicsim/wire/version.h"
#include "tools/vmmctrace/packets.h"
#include "tools/vmmctrace/writers.h"

namespace vmmc::trace_tool {
namespace {

using Event = wire::TraceEvent;

constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint16_t kLinkType = 147;  // LINKTYPE_USER0

// Options.
constexpr std::uint16_t kComment = 1;
constexpr std::uint16_t kInterfaceName = 2;
constexpr std::uint16_t kPacketFlags = 2;
constexpr std::uint16_t kApplication = 4;
constexpr std::uint16_t kTimeResolution = 9;

constexpr std::uint32_t kInbound = 1;
constexpr std::uint32_t kOutbound = 2;

// The header of a packet; docs/format.md has it.
constexpr std::uint8_t kHeaderVersion = 1;
constexpr std::size_t kHeaderBytes = 72;

template <typename T>
void append(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_option(std::string& to, std::uint16_t code, std::string_view value) {
  append(to, code);
  append(to, static_cast<std::uint16_t>(value.size()));
  to.append(value).append((4 - value.size() % 4) % 4, '\0');
}

void append_block(std::string& to, std::uint32_t type, const std::string& body) {
  const auto length = static_cast<std::uint32_t>(body.size() + 12);
  append(to, type);
  append(to, length);
  to.append(body);
  append(to, length);
}

void append_section(std::string& to, const TraceFile& trace) {
  std::string body;
  append(body, std::uint32_t{0x1a2b3c4d});
  append(body, std::uint16_t{1});
  append(body, std::uint16_t{0});
  append(body, ~std::uint64_t{0});  // nobody has counted the section's bytes
  const Machine& machine = trace.machine();
  append_option(body, kComment,
                machine.simulated ? "simulated time, model " + machine.model : "real time");
  for (const std::string& loss : losses(trace)) append_option(body, kComment, loss);
  append_option(body, kApplication, "vmmctrace " VMMC_VERSION_STRING);
  append_option(body, 0, {});
  append_block(to, kSectionHeader, body);
}

void append_interface(std::string& to, std::uint32_t node) {
  std::string body;
  append(body, kLinkType);
  append(body, std::uint16_t{0});
  append(body, std::uint32_t{0});  // packets are of any length
  append_option(body, kInterfaceName, "node " + std::to_string(node));
  append_option(body, kTimeResolution, "\x09");  // 10^-9 s
  append_option(body, 0, {});
  append_block(to, kInterfaceDescription, body);
}

std::string packet_header(const Record& record) {
  const bool end = is_end(record);
  std::string header;
  append(header, kHeaderVersion);
  append(header, static_cast<std::uint8_t>(record.event));
  append(header, record.kind);
  append(header, record.flags);
  append(header, record.status);
  append(header, end ? record.peer : record.node);
  append(header, end ? record.node : record.peer);
  append(header, end ? record.peer_process : record.process);
  append(header, end ? record.process : record.peer_process);
  append(header, record.buffer);
  append(header, record.packet);
  append(header, record.page);
  append(header, record.operation);
  append(header, record.offset);
  append(header, record.length);
  append(header, record.time);
  append(header, record.duration);
  return header;
}

class PcapngWriter {
 public:
  PcapngWriter(const TraceFile& trace, Sink& sink) : trace_(trace), sink_(sink) {}

  void write() {
    append_section(sink_.text(), trace_);
    for (std::uint32_t node = 0; node < trace_.machine().nodes(); ++node) {
      append_interface(sink_.text(), node);
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
    const auto captured = static_cast<std::uint32_t>(kHeaderBytes + bytes.size());
    const auto original = std::min<std::uint64_t>(record.length, 0xffffffff - kHeaderBytes);
    std::string body;
    append(body, std::uint32_t{record.node});
    append(body, static_cast<std::uint32_t>(timestamp(record) >> 32));
    append(body, static_cast<std::uint32_t>(timestamp(record)));
    append(body, captured);
    append(body, static_cast<std::uint32_t>(kHeaderBytes + original));
    body += packet_header(record);
    body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    body.append((4 - body.size() % 4) % 4, '\0');
    append_option(body, kComment, packet_sentence(record));
    std::string flags;
    if (record.event == Event::kPacketSent) append(flags, kOutbound);
    // One that was dropped has come to nobody.
    if (is_end(record) && record.event != Event::kPacketDropped) append(flags, kInbound);
    if (!flags.empty()) append_option(body, kPacketFlags, flags);
    append_option(body, 0, {});
    append_block(sink_.text(), kEnhancedPacket, body);
  }

  const TraceFile& trace_;
  Sink& sink_;
  std::unordered_map<PacketKey, std::uint32_t, PacketKeyHash> made_;
};

}  // namespace

void write_pcapng(const TraceFile& trace, Sink& sink) { PcapngWriter(trace, sink).write(); }

}  // namespace vmmc::trace_tool
