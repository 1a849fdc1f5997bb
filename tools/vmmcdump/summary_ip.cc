// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>
#include <netinet/in.h>

#include "tools/vmmcdump/summary.h"

namespace vmmc::dump {
namespace {

constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kTcpHeader = 20;
constexpr std::size_t kUdpHeader = 8;
constexpr int kMostExtensions = 8;

struct Packet {
  std::string source;
  std::string destination;
  bool six = false;
  std::uint8_t protocol = 0;
  std::size_t length = 0;    // of the payload, as the header says
  std::size_t fragment = 0;  // its offset
  bool more = false;         // fragments follow
  bool ran_out = false;      // in the header
};

template <std::size_t kBytes>
std::string address(std::span<const std::byte> bytes) {
  char text[INET6_ADDRSTRLEN] = "?";
  const int family = kBytes == 4 ? AF_INET : AF_INET6;
  if (bytes.size() == kBytes) ::inet_ntop(family, bytes.data(), text, sizeof text);
  return text;
}

Packet take_ipv4(ByteCursor& cursor) {
  Packet packet;
  const std::size_t header = std::size_t{4} * (cursor.u8() & 15);
  cursor.take(1);
  const std::size_t total = cursor.u16();
  cursor.take(2);
  const std::uint16_t fragment = cursor.u16();
  cursor.take(1);
  packet.protocol = cursor.u8();
  cursor.take(2);
  packet.source = address<4>(cursor.take(4));
  packet.destination = address<4>(cursor.take(4));
  packet.more = (fragment & 0x2000) != 0;
  packet.fragment = std::size_t{8} * (fragment & 0x1fff);
  if (header < kIpv4Header) {
    packet.ran_out = true;
    return packet;
  }
  cursor.take(header - kIpv4Header);
  packet.ran_out = cursor.ran_out();
  // 0: the sender has left it to its interface to cut a large packet up.
  if (total >= header) {
    packet.length = total - header;
  } else {
    packet.length = total == 0 ? cursor.rest().size() : 0;
  }
  cursor.limit(packet.length);
  return packet;
}

// Whether `protocol` is the type of an extension header; then takes it.
bool take_extension(ByteCursor& cursor, Packet& packet) {
  const std::size_t before = cursor.rest().size();
  switch (packet.protocol) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS: {
      packet.protocol = cursor.u8();
      const std::size_t length = cursor.u8();
      cursor.take(8 * length + 6);
      break;
    }
    case IPPROTO_FRAGMENT: {
      packet.protocol = cursor.u8();
      cursor.take(1);
      const std::uint16_t fragment = cursor.u16();
      cursor.take(4);
      packet.fragment = fragment & 0xfff8;
      packet.more = (fragment & 1) != 0;
      break;
    }
    default:
      return false;
  }
  packet.length -= std::min(packet.length, before - cursor.rest().size());
  return true;
}

Packet take_ipv6(ByteCursor& cursor) {
  Packet packet;
  packet.six = true;
  cursor.take(4);
  packet.length = cursor.u16();
  packet.protocol = cursor.u8();
  cursor.take(1);
  packet.source = address<16>(cursor.take(16));
  packet.destination = address<16>(cursor.take(16));
  cursor.limit(packet.length);
  for (int i = 0; i < kMostExtensions && packet.fragment == 0; ++i) {
    if (!take_extension(cursor, packet)) break;
  }
  packet.ran_out = cursor.ran_out();
  return packet;
}

void append_way(std::string& to, const Packet& packet) {
  to += packet.source + " > " + packet.destination + ' ';
}

void append_ports(std::string& to, const Packet& packet, unsigned source, unsigned destination) {
  const auto end = [&](const std::string& host, unsigned port) {
    return (packet.six ? '[' + host + ']' : host) + ':' + std::to_string(port);
  };
  to += end(packet.source, source) + " > " + end(packet.destination, destination) + ' ';
}

void append_length(std::string& to, std::size_t length) {
  to += "length " + std::to_string(length);
}

void append_tcp(std::string& to, const Packet& packet, ByteCursor segment) {
  constexpr char kFlags[] = "FSRPAUEC";  // from the lowest bit
  const std::uint16_t source = segment.u16();
  const std::uint16_t destination = segment.u16();
  const std::uint32_t sequence = segment.u32();
  const std::uint32_t acknowledged = segment.u32();
  const std::size_t header = std::size_t{4} * (segment.u8() >> 4);
  const std::uint8_t flags = segment.u8();
  const std::uint16_t window = segment.u16();
  append_ports(to, packet, source, destination);
  to += "TCP ";
  if (segment.ran_out()) {
    to += "cut";
    return;
  }
  to += '[';
  for (int bit = 0; bit < 8; ++bit) {
    if ((flags >> bit & 1) != 0) to += kFlags[bit];
  }
  to += "] seq " + std::to_string(sequence);
  if ((flags & 0x10) != 0) to += " ack " + std::to_string(acknowledged);
  to += " win " + std::to_string(window) + ' ';
  if (header < kTcpHeader || header > packet.length) {
    to += "header of " + std::to_string(header) + " bytes does not fit";
  } else {
    append_length(to, packet.length - header);
  }
}

void append_udp(std::string& to, const Packet& packet, ByteCursor datagram) {
  const std::uint16_t source = datagram.u16();
  const std::uint16_t destination = datagram.u16();
  const std::size_t length = datagram.u16();
  append_ports(to, packet, source, destination);
  to += "UDP ";
  if (datagram.ran_out()) {
    to += "cut";
  } else if (length < kUdpHeader) {
    to += "length field of " + std::to_string(length) + " does not fit";
  } else {
    append_length(to, length - kUdpHeader);
  }
}

std::uint8_t icmp_protocol(const Packet& packet) {
  return static_cast<std::uint8_t>(packet.six ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP});
}

const char* icmp_name(bool six, std::uint8_t type) {
  if (!six) {
    switch (type) {
      case 0:
        return "echo reply";
      case 3:
        return "unreachable";
      case 5:
        return "redirect";
      case 8:
        return "echo request";
      case 11:
        return "time exceeded";
      default:
        return nullptr;
    }
  }
  switch (type) {
    case 1:
      return "unreachable";
    case 2:
      return "packet too big";
    case 3:
      return "time exceeded";
    case 128:
      return "echo request";
    case 129:
      return "echo reply";
    case 133:
      return "router solicitation";
    case 134:
      return "router advertisement";
    case 135:
      return "neighbour solicitation";
    case 136:
      return "neighbour advertisement";
    default:
      return nullptr;
  }
}

void append_icmp(std::string& to, const Packet& packet, ByteCursor message) {
  const std::uint8_t type = message.u8();
  const std::uint8_t code = message.u8();
  message.take(2);
  append_way(to, packet);
  to += packet.six ? "ICMPv6 " : "ICMP ";
  if (message.ran_out()) {
    to += "cut";
    return;
  }
  const char* const name = icmp_name(packet.six, type);
  to += name != nullptr ? name : "type " + std::to_string(type);
  if (code != 0) to += " code " + std::to_string(code);
  const bool echo = packet.six ? type == 128 || type == 129 : type == 0 || type == 8;
  if (echo) {
    const std::uint16_t id = message.u16();
    const std::uint16_t sequence = message.u16();
    if (!message.ran_out()) to += " id " + std::to_string(id) + " seq " + std::to_string(sequence);
  }
  to += ' ';
  append_length(to, packet.length);
}

void append_payload(std::string& to, const Packet& packet, ByteCursor payload) {
  if (packet.ran_out) {
    append_way(to, packet);
    to += packet.six ? "IPv6 cut" : "IPv4 cut";
  } else if (packet.fragment != 0) {
    append_way(to, packet);
    to += "protocol " + std::to_string(packet.protocol) + " fragment at " +
          std::to_string(packet.fragment) + (packet.more ? "" : " (last)") + ' ';
    append_length(to, packet.length);
  } else if (packet.protocol == IPPROTO_TCP) {
    append_tcp(to, packet, payload);
  } else if (packet.protocol == IPPROTO_UDP) {
    append_udp(to, packet, payload);
  } else if (packet.protocol == icmp_protocol(packet)) {
    append_icmp(to, packet, payload);
  } else {
    append_way(to, packet);
    to += "protocol " + std::to_string(packet.protocol) + ' ';
    append_length(to, packet.length);
  }
}

}  // namespace

void append_ip(std::string& to, ByteCursor packet) {
  const unsigned version =
      packet.rest().empty() ? 0 : static_cast<unsigned>(packet.rest().front()) >> 4;
  if (version != 4 && version != 6) {
    to += "IP of version " + std::to_string(version);
    return;
  }
  const Packet parsed = version == 4 ? take_ipv4(packet) : take_ipv6(packet);
  append_payload(to, parsed, packet);
  if (parsed.fragment == 0 && parsed.more) to += " (first fragment)";
}

}  // namespace vmmc::dump
