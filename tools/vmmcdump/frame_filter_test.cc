// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/frame_filter.h"

#include <doctest/doctest.h>

#include "tools/vmmcdump/testing/frames.h"

namespace vmmc::dump {
namespace {

using namespace testing;

FrameFilter good(const std::string& expression, std::uint32_t link_type = 1) {
  auto compiled = FrameFilter::compile(expression, link_type);
  if (const auto* failure = std::get_if<Failure>(&compiled)) FAIL(failure->what);
  return std::move(std::get<FrameFilter>(compiled));
}

std::string refused(const std::string& expression, std::uint32_t link_type = 1) {
  const auto compiled = FrameFilter::compile(expression, link_type);
  REQUIRE(std::holds_alternative<Failure>(compiled));
  CHECK(std::get<Failure>(compiled).exit_code == kExitFilter);
  return std::get<Failure>(compiled).what;
}

const Bytes kWeb = ethernet(0x0800, ipv4(6, tcp(4000, 80, 2, 0)));
const Bytes kName = ethernet(0x86dd, ipv6(17, udp(4000, 53, 30)));

}  // namespace

TEST_CASE("frames match or do not") {
  FrameFilter web = good("tcp port 80 and host 10.0.0.2");
  CHECK(web.matches(whole(kWeb)));
  CHECK_FALSE(web.matches(whole(kName)));
  FrameFilter six = good("ip6 and udp");
  CHECK_FALSE(six.matches(whole(kWeb)));
  CHECK(six.matches(whole(kName)));
  FrameFilter all = good("");
  CHECK(all.matches(whole(kWeb)));
  CHECK(all.matches(whole(Bytes{})));
  FrameFilter length = good("greater 80");
  CHECK_FALSE(length.matches(whole(kWeb)));
  CHECK(length.matches(whole(kName)));
}

TEST_CASE("a frame that is cut off in front of what the filter looks at does not match") {
  FrameFilter web = good("tcp dst port 80");
  for (std::size_t count = 0; count < 38; ++count) {
    const Bytes cut(kWeb.begin(), kWeb.begin() + static_cast<std::ptrdiff_t>(count));
    CHECK_FALSE(web.matches(whole(cut)));
  }
}

TEST_CASE("a tag that the interface took out is there for the filter") {
  RingFrame frame(kWeb);
  frame.frame().vlan = 0x2005;
  FrameBytes bytes;
  FrameFilter tagged = good("vlan 5 and tcp port 80");
  CHECK_FALSE(tagged.matches(bytes.of(frame.frame())));
  frame.frame().flags = VMMC_FRAME_VLAN_STRIPPED;
  CHECK(tagged.matches(bytes.of(frame.frame())));
  CHECK(bytes.of(frame.frame()).length == kWeb.size() + 4);
  CHECK_FALSE(good("vlan 6").matches(bytes.of(frame.frame())));
}

TEST_CASE("the kernel is given what it would understand as we do") {
  CHECK(good("tcp port 80").suits_kernel());
  CHECK(good("").suits_kernel());
  CHECK_FALSE(good("vlan 5").suits_kernel());
  CHECK_FALSE(good("tcp or (vlan and udp)").suits_kernel());
  CHECK(good("tcp port 80").program().bf_len > 1);
}

TEST_CASE("libpcap says what is wrong") {
  CHECK(refused("tcp port").starts_with("filter \"tcp port\": "));
  CHECK(refused("port 70000").find("70000") != std::string::npos);
  CHECK(refused("nonsense words here").find("syntax error") != std::string::npos);
  CHECK(refused("(tcp").find("syntax error") != std::string::npos);
}

TEST_CASE("packets of the backplane are filtered by bytes and lengths") {
  Bytes packet(80);
  packet[2] = std::byte{1};
  FrameFilter kind = good("link[2] = 1 and len = 80", 147);
  CHECK(kind.matches(whole(packet, 147)));
  packet[2] = std::byte{2};
  CHECK_FALSE(kind.matches(whole(packet, 147)));
  CHECK(refused("tcp port 80", 147).find("backplane") != std::string::npos);
}

TEST_CASE("a source may have frames of several link types") {
  FrameFilter port = good("udp port 53");
  const Bytes raw = ipv4(17, udp(4000, 53, 30));
  CHECK(port.matches(whole(raw, 101)));
  CHECK_FALSE(port.matches(whole(ipv4(17, udp(4000, 54, 30)), 101)));
  CHECK_FALSE(port.matches(whole(raw, 147)));  // there it does not compile
  CHECK(port.matches(whole(kName)));
}

}  // namespace vmmc::dump
