// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/pcapng/pcapng.h"

#include <bit>
#include <cstring>

namespace vmmc::pcapng {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they stand");

constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kInterfaceStatistics = 5;
constexpr std::uint32_t kEnhancedPacket = 6;

// Options; their numbers are of the block that they stand in, but for the first two.
constexpr std::uint16_t kEndOfOptions = 0;
constexpr std::uint16_t kComment = 1;
constexpr std::uint16_t kApplication = 4;
constexpr std::uint16_t kInterfaceName = 2;
constexpr std::uint16_t kTimeResolution = 9;
constexpr std::uint16_t kFilter = 11;
constexpr std::uint16_t kPacketFlags = 2;
constexpr std::uint16_t kDropCount = 4;
constexpr std::uint16_t kReceived = 4;
constexpr std::uint16_t kDroppedByInterface = 5;
constexpr std::uint16_t kDroppedBySystem = 7;
constexpr std::uint16_t kDelivered = 8;

constexpr std::size_t kLongestOption = 0xffff;

template <typename T>
void append(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_bytes(std::string& to, std::span<const std::byte> bytes) {
  to.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void pad(std::string& to, std::size_t bytes) { to.append((4 - bytes % 4) % 4, '\0'); }

void append_option(std::string& to, std::uint16_t code, std::string_view value) {
  value = value.substr(0, kLongestOption);
  append(to, code);
  append(to, static_cast<std::uint16_t>(value.size()));
  to.append(value);
  pad(to, value.size());
}

template <typename T>
void append_number(std::string& to, std::uint16_t code, T value) {
  append_option(to, code, {reinterpret_cast<const char*>(&value), sizeof value});
}

void append_time(std::string& to, std::uint64_t time) {
  append(to, static_cast<std::uint32_t>(time >> 32));
  append(to, static_cast<std::uint32_t>(time));
}

// A block, from its first byte to its last; its length is known, and written, at the end.
class Block {
 public:
  Block(std::string& to, std::uint32_t type) : to_(to), start_(to.size()) {
    append(to_, type);
    append(to_, std::uint32_t{0});
  }
  ~Block() {
    const auto length = static_cast<std::uint32_t>(to_.size() - start_ + sizeof(std::uint32_t));
    std::memcpy(to_.data() + start_ + sizeof(std::uint32_t), &length, sizeof length);
    append(to_, length);
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

 private:
  std::string& to_;
  std::size_t start_;
};

}  // namespace

void append_section(std::string& to, const Section& section) {
  const Block block(to, kSectionHeader);
  append(to, std::uint32_t{0x1a2b3c4d});
  append(to, std::uint16_t{1});
  append(to, std::uint16_t{0});
  append(to, ~std::uint64_t{0});  // nobody has counted the section's bytes
  for (const std::string& comment : section.comments) append_option(to, kComment, comment);
  append_option(to, kApplication, section.application);
  append_option(to, kEndOfOptions, {});
}

void append_interface(std::string& to, const Interface& interface) {
  const Block block(to, kInterfaceDescription);
  append(to, interface.link_type);
  append(to, std::uint16_t{0});
  append(to, interface.snap_length);
  append_option(to, kInterfaceName, interface.name);
  append_option(to, kTimeResolution, "\x09");  // 10^-9 s
  // Its first byte says that text follows.
  if (!interface.filter.empty()) {
    append_option(to, kFilter, std::string(1, '\0') + interface.filter);
  }
  append_option(to, kEndOfOptions, {});
}

void append_packet(std::string& to, const Packet& packet) {
  const std::size_t captured = packet.head.size() + packet.tail.size();
  const Block block(to, kEnhancedPacket);
  append(to, packet.interface);
  append_time(to, packet.time);
  append(to, static_cast<std::uint32_t>(captured));
  append(to, packet.length);
  append_bytes(to, packet.head);
  append_bytes(to, packet.tail);
  pad(to, captured);
  const bool directed = packet.direction != Direction::kUnknown;
  if (packet.comment.empty() && !directed && packet.dropped == 0) return;
  if (!packet.comment.empty()) append_option(to, kComment, packet.comment);
  if (directed) append_number(to, kPacketFlags, static_cast<std::uint32_t>(packet.direction));
  if (packet.dropped != 0) append_number(to, kDropCount, packet.dropped);
  append_option(to, kEndOfOptions, {});
}

void append_statistics(std::string& to, const Statistics& statistics) {
  const Block block(to, kInterfaceStatistics);
  append(to, statistics.interface);
  append_time(to, statistics.time);
  append_number(to, kReceived, statistics.received);
  append_number(to, kDroppedByInterface, statistics.dropped_by_source);
  append_number(to, kDroppedBySystem, statistics.dropped_by_ring);
  append_number(to, kDelivered, statistics.delivered);
  append_option(to, kEndOfOptions, {});
}

}  // namespace vmmc::pcapng
