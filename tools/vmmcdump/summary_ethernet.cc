// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>

#include <cstdio>

#include "tools/vmmcdump/summary.h"

namespace vmmc::dump {
namespace {

constexpr std::uint16_t kIpv4 = 0x0800;
constexpr std::uint16_t kArp = 0x0806;
constexpr std::uint16_t kVlan = 0x8100;
constexpr std::uint16_t kServiceVlan = 0x88a8;
constexpr std::uint16_t kIpv6 = 0x86dd;
constexpr std::uint16_t kSmallestType = 0x0600;  // below: a length
constexpr int kMostTags = 4;
constexpr std::size_t kAddressBytes = 6;

std::string station(std::span<const std::byte> address) {
  std::string text;
  for (const std::byte byte : address) {
    char digits[4];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(byte));
    if (!text.empty()) text += ':';
    text += digits;
  }
  return text.empty() ? "?" : text;
}

std::string host(std::span<const std::byte> address) {
  char text[INET_ADDRSTRLEN] = "?";
  if (address.size() == 4) ::inet_ntop(AF_INET, address.data(), text, sizeof text);
  return text;
}

void append_arp(std::string& to, ByteCursor packet) {
  constexpr std::uint64_t kEthernetAndIpv4 = 0x000108000604;
  constexpr std::uint16_t kRequest = 1;
  constexpr std::uint16_t kReply = 2;
  const std::uint64_t form = packet.big_endian(6);
  const std::uint16_t operation = packet.u16();
  const auto sender_station = packet.take(kAddressBytes);
  const auto sender = packet.take(4);
  packet.take(kAddressBytes);
  const auto target = packet.take(4);
  to += "ARP ";
  if (packet.ran_out()) {
    to += "cut";
  } else if (form != kEthernetAndIpv4 || (operation != kRequest && operation != kReply)) {
    to += "operation " + std::to_string(operation);
  } else if (operation == kRequest) {
    to += "who has " + host(target) + ", tell " + host(sender);
  } else {
    to += host(sender) + " is at " + station(sender_station);
  }
}

void append_unknown(std::string& to, const std::string& way, std::uint16_t type,
                    std::uint32_t length) {
  char text[64];
  std::snprintf(text, sizeof text, type < kSmallestType ? " 802.3 length %u" : " ethertype 0x%04x",
                type);
  to += way + text + " length " + std::to_string(length);
}

}  // namespace

void append_ethernet(std::string& to, ByteCursor frame, std::uint32_t length) {
  const auto destination = frame.take(kAddressBytes);
  const auto source = frame.take(kAddressBytes);
  std::uint16_t type = frame.u16();
  for (int tags = 0; tags < kMostTags && (type == kVlan || type == kServiceVlan); ++tags) {
    const std::uint16_t tag = frame.u16();
    type = frame.u16();
    if (!frame.ran_out()) to += "vlan " + std::to_string(tag & 0x0fff) + ' ';
  }
  if (frame.ran_out()) {
    to += "frame cut off in its header, length " + std::to_string(length);
  } else if (type == kArp) {
    append_arp(to, frame);
  } else if (type == kIpv4 || type == kIpv6) {
    append_ip(to, frame);
  } else {
    append_unknown(to, station(source) + " > " + station(destination), type, length);
  }
}

}  // namespace vmmc::dump
