// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/intrusiondetector/rules.h"

#include <doctest/doctest.h>

namespace examples::intrusiondetector {
namespace {

Rules good(const std::string& text) {
  auto parsed = parse_rules(text);
  if (const auto* wrong = std::get_if<std::string>(&parsed)) FAIL(*wrong);
  return std::get<Rules>(parsed);
}

void check_wrong(const std::string& text, const std::string& part) {
  const auto parsed = parse_rules(text);
  CAPTURE(text);
  REQUIRE(std::holds_alternative<std::string>(parsed));
  CAPTURE(std::get<std::string>(parsed));
  CHECK(std::get<std::string>(parsed).find(part) != std::string::npos);
}

Packet to_port(std::uint16_t port, Protocol protocol = Protocol::kTcp) {
  Packet packet;
  packet.to.port = port;
  packet.protocol = protocol;
  return packet;
}

}  // namespace

TEST_CASE("content rules") {
  const Rules rules = good(
      "# nothing\n\n"
      "content a tcp 80,8000-8100 \"say \\\"hi\\\" # \\\\\" 0d 0A # a comment\n"
      "  content b udp any ff");
  REQUIRE(rules.contents.size() == 2);
  CHECK(rules.contents[0].name == "a");
  CHECK(rules.contents[0].pattern == "say \"hi\" # \\\r\n");
  CHECK(rules.contents[1].pattern == "\xff");
  CHECK(rules.contents[0].is_for(to_port(80)));
  CHECK(rules.contents[0].is_for(to_port(8000)));
  CHECK(rules.contents[0].is_for(to_port(8100)));
  CHECK_FALSE(rules.contents[0].is_for(to_port(81)));
  CHECK_FALSE(rules.contents[0].is_for(to_port(8101)));
  CHECK_FALSE(rules.contents[0].is_for(to_port(80, Protocol::kUdp)));
  CHECK(rules.contents[1].is_for(to_port(7, Protocol::kUdp)));
}

TEST_CASE("scan rules") {
  const Rules rules = good("scan s 20 ports in 0.5 s");
  REQUIRE(rules.scans.size() == 1);
  CHECK(rules.scans[0].ports == 20);
  CHECK(rules.scans[0].within == 500'000'000);
}

TEST_CASE("what is wrong is said, with its line") {
  check_wrong("", "no rule");
  check_wrong("# nothing\n", "no rule");
  check_wrong("scan s 20 ports in 1 s\nalert x", "line 2: \"alert\"");
  check_wrong("content", "the name");
  check_wrong("content a", "the protocol");
  check_wrong("content a icmp any 00", "\"icmp\"");
  check_wrong("content a tcp", "the ports");
  check_wrong("content a tcp any", "the pattern");
  check_wrong("content a tcp any \"\"", "empty");
  check_wrong("content a tcp any \"x", "quotation mark");
  check_wrong("content a tcp any xyz", "\"xyz\"");
  check_wrong("content a tcp any 0", "\"0\"");
  check_wrong("content a tcp 0 00", "\"0\" is no port");
  check_wrong("content a tcp 65536 00", "65536");
  check_wrong("content a tcp 80, 00", "\"\" is no port");
  check_wrong("content a tcp 90-80 00", "ends before");
  check_wrong("content a tcp any \"" + std::string(65, 'x') + "\"", "64 bytes");
  check_wrong("scan s 1 ports in 1 s", "number of ports");
  check_wrong("scan s 1025 ports in 1 s", "number of ports");
  check_wrong("scan s 5 ports within 1 s", "N ports in T s");
  check_wrong("scan s 5 ports in 0 s", "time");
  check_wrong("scan s 5 ports in nan s", "time");
  check_wrong("scan s 5 ports in 1 ms", "not in s");
  check_wrong("scan s 5 ports in 1 s more", "behind its end");
  std::string many;
  for (int i = 0; i < 65; ++i) many += "content a tcp any 00\n";
  check_wrong(many, "line 65: there are more than 64");
}

}  // namespace examples::intrusiondetector
