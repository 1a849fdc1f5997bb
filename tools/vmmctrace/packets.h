// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What became of each packet: the records of its leaving and of its arrival, brought together.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/vmmctrace/trace_file.h"

namespace vmmc::trace_tool {

// What has become of a packet, as recorded at its receiver's node: its bytes are in memory, or in a page that
// it lends, the receiving interface has refused it, or the fault plan has taken it.
bool is_end(const Record& record);
// An end, or kPacketSent.
bool is_packet_event(const Record& record);

// "deliberate update 7, packet 2 (last), from node 0 process 1 to node 1 process 2: 1024 bytes for buffer 5
// at 8192 are sent"; of packet events only.
std::string packet_sentence(const Record& record);

// Operation and packet, and from where to where: a fetch has packets of one number both ways.
struct PacketKey {
  std::uint64_t operation;
  std::uint32_t packet;
  std::uint16_t from;
  std::uint16_t to;
  bool operator==(const PacketKey&) const = default;
};
struct PacketKeyHash {
  std::size_t operator()(const PacketKey& key) const;
};

class Packets {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  explicit Packets(const TraceFile& trace, const std::vector<std::uint32_t>& by_time);

  // For an index of records(): the other end of its packet's way, also as an index; kNone: it is not there, or
  // the record is neither kPacketSent, nor the first end of one.
  std::uint32_t other_end(std::uint32_t index) const;

 private:
  std::unordered_map<std::uint32_t, std::uint32_t> other_end_;
};

}  // namespace vmmc::trace_tool
