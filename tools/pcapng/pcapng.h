// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The blocks of a pcapng file, little-endian: appended to a string, which somebody else writes to where it is to
// go. A file is a section, then its interfaces, each before the first packet that names it, then packets.
//
// Threads: any; the functions have no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vmmc::pcapng {

struct Section {
  std::vector<std::string> comments;
  std::string application;
};

struct Interface {
  std::uint16_t link_type = 0;    // LINKTYPE_...
  std::uint32_t snap_length = 0;  // bytes; 0: packets are of any length
  std::string name;
  std::string filter;  // as a person wrote it; empty: none
};

enum class Direction : std::uint8_t { kUnknown = 0, kInbound = 1, kOutbound = 2 };

struct Packet {
  std::uint32_t interface = 0;  // counted from 0 in the order of the file's interfaces
  std::uint64_t time = 0;       // ns since 1970
  std::uint32_t length = 0;     // bytes that it had
  // What is here of it: `head`, and `tail` behind it, for those that stand in two places.
  std::span<const std::byte> head;
  std::span<const std::byte> tail;
  std::string_view comment;
  Direction direction = Direction::kUnknown;
  std::uint64_t dropped = 0;  // packets that were lost between the one before and this one
};

// What became of an interface's packets, as known at the end.
struct Statistics {
  std::uint32_t interface = 0;
  std::uint64_t time = 0;               // ns since 1970
  std::uint64_t received = 0;           // packets that reached the interface
  std::uint64_t dropped_by_source = 0;  // lost by the interface
  std::uint64_t dropped_by_ring = 0;    // lost for want of room
  std::uint64_t delivered = 0;          // that stand in the file
};

// Comments, names and filters of more than 65535 bytes are cut.
void append_section(std::string& to, const Section& section);
void append_interface(std::string& to, const Interface& interface);
void append_packet(std::string& to, const Packet& packet);
void append_statistics(std::string& to, const Statistics& statistics);

}  // namespace vmmc::pcapng
