// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/summary.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "tools/vmmcdump/testing/frames.h"

namespace vmmc::dump {
namespace {

using namespace testing;

std::string line_of(const Bytes& bytes, std::uint16_t link_type = 1) {
  std::string text;
  append_summary(text, whole(bytes, link_type));
  REQUIRE(text.starts_with("00:00:00.000000000 "));
  REQUIRE(text.ends_with("\n"));
  return text.substr(19, text.size() - 20);
}

// The header of a packet of the backplane, as docs/format.md has it.
Bytes backplane(std::uint8_t kind, std::uint8_t flags) {
  Bytes bytes(72);
  const auto set = [&](std::size_t at, std::uint64_t value, std::size_t count) {
    std::memcpy(bytes.data() + at, &value, count);
  };
  set(0, 1, 1);
  set(1, 23, 1);
  set(2, kind, 1);
  set(3, flags, 1);
  set(10, 3, 2);
  set(12, 1, 4);
  set(16, 2, 4);
  set(20, 5, 4);
  set(24, 6, 4);
  set(32, 77, 8);
  set(40, 8192, 8);
  set(48, 1024, 8);
  return bytes;
}

}  // namespace

TEST_CASE("TCP and UDP over both versions of IP") {
  CHECK(line_of(ethernet(0x0800, ipv4(6, tcp(4000, 80, 0x02, 0)))) ==
        "10.0.0.1:4000 > 10.0.0.2:80 TCP [S] seq 7 win 1024 length 0");
  CHECK(line_of(ethernet(0x0800, ipv4(6, tcp(4000, 80, 0x18, 33)))) ==
        "10.0.0.1:4000 > 10.0.0.2:80 TCP [PA] seq 7 ack 9 win 1024 length 33");
  CHECK(line_of(ethernet(0x86dd, ipv6(6, tcp(1, 65535, 0xff, 1)))) ==
        "[fd00::1]:1 > [fd00::2]:65535 TCP [FSRPAUEC] seq 7 ack 9 win 1024 length 1");
  CHECK(line_of(ethernet(0x0800, ipv4(17, udp(53, 5353, 100)))) ==
        "10.0.0.1:53 > 10.0.0.2:5353 UDP length 100");
  CHECK(line_of(ethernet(0x86dd, ipv6(17, udp(53, 5353, 0)))) ==
        "[fd00::1]:53 > [fd00::2]:5353 UDP length 0");
  CHECK(line_of(ipv4(17, udp(1, 2, 3)), 101) == "10.0.0.1:1 > 10.0.0.2:2 UDP length 3");
}

TEST_CASE("bytes behind the packet are of nobody") {
  CHECK(line_of(joined(ethernet(0x0800, ipv4(6, tcp(1, 2, 0x10, 0))), Bytes(6))) ==
        "10.0.0.1:1 > 10.0.0.2:2 TCP [A] seq 7 ack 9 win 1024 length 0");
}

TEST_CASE("VLANs, ARP, ICMP") {
  const Bytes tagged = joined(from_hex("e005 0800"), ipv4(17, udp(1, 2, 3)));
  CHECK(line_of(ethernet(0x8100, tagged)) == "vlan 5 10.0.0.1:1 > 10.0.0.2:2 UDP length 3");
  CHECK(line_of(ethernet(0x88a8, joined(from_hex("0007 8100"), tagged))) ==
        "vlan 7 vlan 5 10.0.0.1:1 > 10.0.0.2:2 UDP length 3");
  CHECK(line_of(ethernet(0x0806, from_hex("0001 0800 06 04 0001 020000000001 0a000001"
                                          "000000000000 0a000002"))) ==
        "ARP who has 10.0.0.2, tell 10.0.0.1");
  CHECK(line_of(ethernet(0x0806, from_hex("0001 0800 06 04 0002 020000000001 0a000001"
                                          "020000000002 0a000002"))) ==
        "ARP 10.0.0.1 is at 02:00:00:00:00:01");
  CHECK(line_of(ethernet(0x0800, ipv4(1, from_hex("0800 0000 0003 0004 aabb")))) ==
        "10.0.0.1 > 10.0.0.2 ICMP echo request id 3 seq 4 length 10");
  CHECK(line_of(ethernet(0x0800, ipv4(1, from_hex("0303 0000 0000 0000")))) ==
        "10.0.0.1 > 10.0.0.2 ICMP unreachable code 3 length 8");
  CHECK(line_of(ethernet(0x86dd, ipv6(58, from_hex("8700 0000 0000 0000")))) ==
        "fd00::1 > fd00::2 ICMPv6 neighbour solicitation length 8");
}

TEST_CASE("fragments and extension headers") {
  Bytes first = ipv4(17, udp(1, 2, 16));
  first[6] = std::byte{0x20};
  CHECK(line_of(ethernet(0x0800, first)) ==
        "10.0.0.1:1 > 10.0.0.2:2 UDP length 16 (first fragment)");
  first[7] = std::byte{185};
  CHECK(line_of(ethernet(0x0800, first)) ==
        "10.0.0.1 > 10.0.0.2 protocol 17 fragment at 1480 length 24");
  const Bytes hops = joined(from_hex("1100 0000 0000 0000"), udp(1, 2, 3));
  CHECK(line_of(ethernet(0x86dd, ipv6(0, hops))) == "[fd00::1]:1 > [fd00::2]:2 UDP length 3");
  const Bytes last = joined(from_hex("1100 0010 0000 0001"), Bytes(8));
  CHECK(line_of(ethernet(0x86dd, ipv6(44, last))) ==
        "fd00::1 > fd00::2 protocol 17 fragment at 16 (last) length 8");
}

TEST_CASE("what is not known") {
  CHECK(line_of(ethernet(0x88cc, Bytes(50))) ==
        "02:00:00:00:00:01 > 02:00:00:00:00:02 ethertype 0x88cc length 64");
  CHECK(line_of(ethernet(0x0026, Bytes(38))) ==
        "02:00:00:00:00:01 > 02:00:00:00:00:02 802.3 length 38 length 52");
  CHECK(line_of(ethernet(0x0800, ipv4(132, Bytes(12)))) ==
        "10.0.0.1 > 10.0.0.2 protocol 132 length 12");
  CHECK(line_of(Bytes(9), 113) == "link type 113 length 9");
  CHECK(line_of(ethernet(0x0800, from_hex("50"))) == "IP of version 5");
}

TEST_CASE("lengths that lie") {
  Bytes packet = ipv4(6, tcp(1, 2, 0x10, 4));
  packet[32] = std::byte{0xf0};
  CHECK(line_of(ethernet(0x0800, packet)).ends_with("header of 60 bytes does not fit"));
  packet[32] = std::byte{0x10};
  CHECK(line_of(ethernet(0x0800, packet)).ends_with("header of 4 bytes does not fit"));
  Bytes datagram = ipv4(17, udp(1, 2, 4));
  datagram[24] = datagram[25] = std::byte{0};
  CHECK(line_of(ethernet(0x0800, datagram)).ends_with("UDP length field of 0 does not fit"));
  Bytes header = ipv4(17, udp(1, 2, 4));
  header[0] = std::byte{0x44};
  CHECK(line_of(ethernet(0x0800, header)).ends_with("IPv4 cut"));
}

TEST_CASE("packets of the backplane") {
  CHECK(line_of(backplane(1, 2), 147) ==
        "node 0 process 1 > node 3 process 2 deliberate update 77 packet 6 (last) buffer 5 at 8192 "
        "length 1024");
  CHECK(line_of(backplane(2, 1), 147) ==
        "node 0 process 1 > node 3 process 2 automatic update 77 packet 6 (notifies) buffer 5 at "
        "8192 length 1024");
  CHECK(line_of(backplane(3, 0), 147).find("fetch 77") != std::string::npos);
  CHECK(line_of(backplane(200, 0), 147).find("operation 77") != std::string::npos);
  CHECK(
      line_of(backplane(32, 6), 147) ==
      "node 0 process 1 > node 3 process 2 real-time datagram 77 packet 6 (last) (lends its page) "
      "channel 5 at 8192 length 1024");
  Bytes packet = backplane(1, 0);
  packet.resize(71);
  CHECK(line_of(packet, 147) == "packet cut off in its header, 71 bytes");
  packet[0] = std::byte{9};
  CHECK(line_of(packet, 147) == "packet with a header of version 9, 71 bytes");
}

TEST_CASE("a frame that is cut anywhere has a line, and nothing behind its end is looked at") {
  const Bytes frames[] = {ethernet(0x0800, ipv4(6, tcp(1, 2, 0x12, 20))),
                          ethernet(0x86dd, ipv6(17, udp(1, 2, 20))), ethernet(0x0806, Bytes(28)),
                          backplane(1, 0)};
  for (const Bytes& bytes : frames) {
    for (std::size_t length = 0; length <= bytes.size(); ++length) {
      // Memory of its own, so that a sanitizer sees a look behind it.
      const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
      for (const std::uint16_t link_type : {1, 101, 147}) {
        CHECK_FALSE(line_of(cut, link_type).empty());
      }
    }
  }
  CHECK(line_of(ethernet(0x0800, {})) == "IP of version 0");
  CHECK(line_of(from_hex("0102")) == "frame cut off in its header, length 2");
}

TEST_CASE("random frames, and good ones with random bytes changed") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  const Bytes good[] = {
      ethernet(0x0800, ipv4(6, tcp(1, 2, 0x12, 20))), ethernet(0x0800, ipv4(1, Bytes(16))),
      ethernet(0x86dd, ipv6(0, joined(from_hex("2c00 0000 0000 0000"), Bytes(40)))),
      ethernet(0x8100, Bytes(40)), backplane(1, 0)};
  for (int i = 0; i < 200'000; ++i) {
    Bytes bytes;
    if (i % 2 == 0) {
      bytes.resize(random() % 100);
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    } else {
      bytes = good[random() % std::size(good)];
      bytes.resize(1 + random() % bytes.size());
      for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
        bytes[random() % bytes.size()] = static_cast<std::byte>(random());
      }
    }
    bytes.shrink_to_fit();
    constexpr std::uint16_t kTypes[] = {1, 101, 147};
    const std::string line = line_of(bytes, kTypes[random() % 3]);
    REQUIRE_FALSE(line.empty());
    REQUIRE(line.size() < 300);
    for (const char letter : line) REQUIRE((letter >= ' ' && letter <= '~'));
  }
}

TEST_CASE("time and hexadecimal digits") {
  WholeFrame frame = whole(Bytes{});
  frame.time = 86'400'000'000'000 + 45'296'000'000'789;
  std::string text;
  append_summary(text, frame);
  CHECK(text.starts_with("12:34:56.000000789 "));
  text.clear();
  const Bytes bytes = from_hex("41 42 43 00 7f 80 20 7e 30 31 32 33 34 35 36 37 5a");
  append_hex(text, whole(bytes));
  CHECK(text ==
        "  0000  41 42 43 00 7f 80 20 7e 30 31 32 33 34 35 36 37  ABC... ~01234567\n"
        "  0010  5a                                               Z\n");
}

}  // namespace vmmc::dump
