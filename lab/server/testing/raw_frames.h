// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// WebSocket frames by the byte (RFC 6455, 5.2), also those that no client should send.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <string>

#include "lab/server/testing/lab_rig.h"

namespace vmmc::lab::testing {

enum class Opcode : std::uint8_t { kMore = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9 };

struct Frame {
  Opcode opcode = Opcode::kText;
  std::string content = {};
  bool final = true;
  bool masked = true;
  std::uint8_t reserved = 0;           // bits
  std::uint64_t claimed = UINT64_MAX;  // length in the header; else the content's
};

inline std::string bytes_of(const Frame& frame) {
  std::string bytes;
  bytes.push_back(static_cast<char>((frame.final ? 0x80 : 0) | (frame.reserved << 4) |
                                    static_cast<int>(frame.opcode)));
  const std::uint64_t length = frame.claimed != UINT64_MAX ? frame.claimed : frame.content.size();
  const int mask_bit = frame.masked ? 0x80 : 0;
  const int wide = length < 126 ? 0 : length < 65536 ? 2 : 8;
  bytes.push_back(static_cast<char>(mask_bit | (wide == 0   ? static_cast<int>(length)
                                                : wide == 2 ? 126
                                                            : 127)));
  for (int i = wide - 1; i >= 0; --i) bytes.push_back(static_cast<char>(length >> (8 * i)));
  const std::string key = frame.masked ? "\x12\x34\x56\x78" : "";
  bytes += key;
  for (std::size_t i = 0; i < frame.content.size(); ++i) {
    bytes.push_back(frame.masked ? static_cast<char>(frame.content[i] ^ key[i % 4])
                                 : frame.content[i]);
  }
  return bytes;
}

inline std::string upgrade_request(const Rig& rig) {
  return "GET /" + rig.token() + "/socket HTTP/1.1\r\nHost: " + rig.host() + "\r\nOrigin: http://" +
         rig.host() +
         "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}

// A connection that has been upgraded, without a library that would keep the rules.
class RawPage {
 public:
  explicit RawPage(const Rig& rig) : socket_(connect(context_, rig)) {
    send(upgrade_request(rig));
    std::string answer;
    asio::read_until(socket_, asio::dynamic_buffer(answer), "\r\n\r\n");
  }
  void send(const std::string& bytes) {
    boost::system::error_code ignored;
    asio::write(socket_, asio::buffer(bytes), ignored);
  }
  // Reads until the server has closed the connection; what came.
  std::string until_closed() {
    std::string all;
    boost::system::error_code error;
    asio::read(socket_, asio::dynamic_buffer(all), error);
    return all;
  }

 private:
  asio::io_context context_;
  tcp::socket socket_;
};

}  // namespace vmmc::lab::testing
