// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include <array>

#include "tools/vmmcdump/summary.h"

namespace vmmc::dump {
namespace {

constexpr std::uint8_t kHeaderVersion = 1;
constexpr std::uint64_t kUnknownProcess = 0xffffffff;
constexpr std::uint8_t kNotifies = 1;
constexpr std::uint8_t kLastPacket = 2;
constexpr std::uint8_t kLendsPage = 4;
constexpr std::uint8_t kRealTimeDatagram = 32;
constexpr std::array<const char*, 5> kKinds = {"operation", "deliberate update", "automatic update",
                                               "fetch", "atomic operation"};

const char* kind_name(std::uint8_t kind) {
  if (kind == kRealTimeDatagram) return "real-time datagram";
  return kind < kKinds.size() ? kKinds[kind] : kKinds[0];
}

void append_process(std::string& to, std::uint64_t node, std::uint64_t process) {
  to += "node " + std::to_string(node);
  if (process != kUnknownProcess) to += " process " + std::to_string(process);
}

}  // namespace

void append_backplane(std::string& to, ByteCursor packet) {
  const std::size_t captured = packet.rest().size();
  const std::uint8_t version = packet.u8();
  if (version != kHeaderVersion) {
    to += "packet with a header of version " + std::to_string(version) + ", " +
          std::to_string(captured) + " bytes";
    return;
  }
  packet.take(1);  // the event: of a trace
  const std::uint8_t kind = packet.u8();
  const std::uint8_t flags = packet.u8();
  const auto status = static_cast<std::int32_t>(packet.little_endian(4));
  const std::uint64_t nodes[2] = {packet.little_endian(2), packet.little_endian(2)};
  const std::uint64_t processes[2] = {packet.little_endian(4), packet.little_endian(4)};
  const std::uint64_t buffer = packet.little_endian(4);
  const std::uint64_t number = packet.little_endian(4);
  packet.take(4);  // the incoming page
  const std::uint64_t operation = packet.little_endian(8);
  const std::uint64_t offset = packet.little_endian(8);
  const std::uint64_t length = packet.little_endian(8);
  packet.take(16);  // time and duration: of a trace
  if (packet.ran_out()) {
    to += "packet cut off in its header, " + std::to_string(captured) + " bytes";
    return;
  }
  append_process(to, nodes[0], processes[0]);
  to += " > ";
  append_process(to, nodes[1], processes[1]);
  to += ' ';
  to += kind_name(kind);
  to += ' ' + std::to_string(operation) + " packet " + std::to_string(number);
  if ((flags & kLastPacket) != 0) to += " (last)";
  if ((flags & kNotifies) != 0) to += " (notifies)";
  if ((flags & kLendsPage) != 0) to += " (lends its page)";
  to += kind == kRealTimeDatagram ? " channel " : " buffer ";
  to += std::to_string(buffer) + " at " + std::to_string(offset) + " length " +
        std::to_string(length);
  if (status != 0) to += " refused: status " + std::to_string(status);
}

}  // namespace vmmc::dump
