// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/intrusiondetector/frame_builder.h"

#include <arpa/inet.h>

namespace examples::intrusiondetector {
namespace {

void append(std::string& to, std::uint32_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) to += static_cast<char>(value >> shift);
}

void append(std::string& to, const Address& address) {
  to.append(reinterpret_cast<const char*>(address.bytes.data()), address.six ? 16 : 4);
}

std::uint16_t checksum(const std::string& header) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < header.size(); i += 2) {
    sum += static_cast<std::uint32_t>(static_cast<unsigned char>(header[i]) << 8 |
                                      static_cast<unsigned char>(header[i + 1]));
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::string ipv4_header(const Endpoint& from, const Endpoint& to, Protocol protocol,
                        std::size_t length) {
  std::string header;
  append(header, 0x4500, 2);
  append(header, static_cast<std::uint32_t>(20 + length), 2);
  append(header, 0, 4);
  append(header, 64u << 8 | static_cast<std::uint32_t>(protocol), 2);
  append(header, 0, 2);
  append(header, from.address);
  append(header, to.address);
  const std::uint16_t sum = checksum(header);
  header[10] = static_cast<char>(sum >> 8);
  header[11] = static_cast<char>(sum);
  return header;
}

std::string ipv6_header(const Endpoint& from, const Endpoint& to, Protocol protocol,
                        std::size_t length) {
  std::string header;
  append(header, 0x60000000, 4);
  append(header, static_cast<std::uint32_t>(length), 2);
  append(header, static_cast<std::uint32_t>(protocol) << 8 | 64, 2);
  append(header, from.address);
  append(header, to.address);
  return header;
}

std::string frame(const Endpoint& from, const Endpoint& to, Protocol protocol,
                  const std::string& content) {
  std::string text("\x02\0\0\0\0\x02\x02\0\0\0\0\x01", 12);
  append(text, from.address.six ? 0x86dd : 0x0800, 2);
  text += from.address.six ? ipv6_header(from, to, protocol, content.size())
                           : ipv4_header(from, to, protocol, content.size());
  return text + content;
}

}  // namespace

Endpoint endpoint(const std::string& address, std::uint16_t port) {
  Endpoint end;
  end.port = port;
  end.address.six = address.find(':') != std::string::npos;
  ::inet_pton(end.address.six ? AF_INET6 : AF_INET, address.c_str(), end.address.bytes.data());
  return end;
}

std::string tcp_frame(const Endpoint& from, const Endpoint& to, std::uint32_t sequence,
                      std::uint8_t flags, const std::string& payload) {
  std::string segment;
  append(segment, from.port, 2);
  append(segment, to.port, 2);
  append(segment, sequence, 4);
  append(segment, 0, 4);
  append(segment, 0x5000u | flags, 2);
  append(segment, 0xffff, 2);
  append(segment, 0, 4);
  return frame(from, to, Protocol::kTcp, segment + payload);
}

std::string udp_frame(const Endpoint& from, const Endpoint& to, const std::string& payload) {
  std::string datagram;
  append(datagram, from.port, 2);
  append(datagram, to.port, 2);
  append(datagram, static_cast<std::uint32_t>(8 + payload.size()), 2);
  append(datagram, 0, 2);
  return frame(from, to, Protocol::kUdp, datagram + payload);
}

}  // namespace examples::intrusiondetector
