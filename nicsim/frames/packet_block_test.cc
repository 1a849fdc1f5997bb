// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// $VMMC_SEED repeats a run.

#include "nicsim/frames/packet_block.h"

#include <doctest/doctest.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "nicsim/wire/frame_ring.h"

namespace vmmc::nicsim {
namespace {

constexpr unsigned kPatience = 30;  // s
constexpr std::uint32_t kFirst = 48;
constexpr std::uint16_t kMac = 82;  // as the kernel puts Ethernet frames

// A block as the kernel fills it.
class Block {
 public:
  explicit Block(std::size_t bytes = 4096)
      : bytes_(bytes), memory_(new std::uint64_t[bytes / 8]()) {
    set(0, tpacket_block_desc{});
    header().offset_to_first_pkt = kFirst;
  }

  std::byte* data() const { return reinterpret_cast<std::byte*>(memory_.get()); }
  std::span<const std::byte> span() const { return {data(), bytes_}; }
  tpacket_hdr_v1& header() const { return reinterpret_cast<tpacket_block_desc*>(data())->hdr.bh1; }
  tpacket3_hdr& frame(std::size_t at) const {
    return *reinterpret_cast<tpacket3_hdr*>(data() + at);
  }

  // Returns where it lies.
  std::size_t add(const std::string& text, std::uint8_t direction,
                  std::uint16_t hardware = ARPHRD_ETHER) {
    const std::size_t at = next_;
    tpacket3_hdr header_of_frame{};
    header_of_frame.tp_sec = 1'600'000'000;
    header_of_frame.tp_nsec = 123'456'789;
    header_of_frame.tp_snaplen = static_cast<std::uint32_t>(text.size());
    header_of_frame.tp_len = static_cast<std::uint32_t>(text.size() + 10);
    header_of_frame.tp_mac = kMac;
    set(at, header_of_frame);
    sockaddr_ll address{};
    address.sll_pkttype = direction;
    address.sll_hatype = hardware;
    set(at + 48, address);
    std::memcpy(data() + at + kMac, text.data(), text.size());
    if (header().num_pkts++ > 0) {
      frame(last_).tp_next_offset = static_cast<std::uint32_t>(at - last_);
    }
    last_ = at;
    next_ = (at + kMac + text.size() + 7) / 8 * 8;
    return at;
  }

 private:
  template <typename T>
  void set(std::size_t at, const T& value) {
    std::memcpy(data() + at, &value, sizeof value);
  }

  std::size_t bytes_;
  std::unique_ptr<std::uint64_t[]> memory_;
  std::size_t last_ = 0;
  std::size_t next_ = kFirst;
};

std::vector<Frame> take_all(const Block& block) {
  PacketBlock walk(block.span());
  std::vector<Frame> all;
  std::array<Frame, 3> some;
  while (const std::size_t got = walk.take(some))
    all.insert(all.end(), some.begin(), some.begin() + got);
  CHECK(walk.done());
  return all;
}

std::string text_of(const Frame& frame) {
  return {reinterpret_cast<const char*>(frame.bytes.data()), frame.bytes.size()};
}

TEST_CASE("no block, and an empty one") {
  std::array<Frame, 3> some;
  PacketBlock none;
  CHECK(none.done());
  CHECK(none.take(some) == 0);
  CHECK(take_all(Block()).empty());
}

TEST_CASE("frames as the kernel puts them") {
  Block filled;
  filled.add("one", PACKET_HOST);
  const std::size_t second = filled.add("the second", PACKET_OUTGOING);
  filled.frame(second).tp_status = TP_STATUS_VLAN_VALID;
  filled.frame(second).hv1.tp_vlan_tci = 0x2005;
  const std::size_t third = filled.add("third", PACKET_OTHERHOST, ARPHRD_NONE);
  filled.frame(third).hv1.tp_vlan_tpid = 0x88a8;  // nothing says that it is one
  filled.add("", PACKET_BROADCAST, ARPHRD_LOOPBACK);
  const auto frames = take_all(filled);
  REQUIRE(frames.size() == 4);
  CHECK(text_of(frames[0]) == "one");
  CHECK(frames[0].time == 1'600'000'000'123'456'789);
  CHECK(frames[0].length == 13);
  CHECK(frames[0].link_type == 1);
  CHECK(frames[0].flags == 0);
  CHECK(text_of(frames[1]) == "the second");
  CHECK(frames[1].flags == (wire::kFrameOutbound | wire::kFrameVlanStripped));
  CHECK(frames[1].vlan == 0x2005);
  CHECK(text_of(frames[2]) == "third");
  CHECK(frames[2].link_type == 101);
  CHECK(frames[2].vlan == 0);
  CHECK(frames[2].flags == 0);
  CHECK(text_of(frames[3]).empty());
  CHECK(frames[3].link_type == 1);
}

TEST_CASE("of which type a tag was") {
  constexpr std::uint32_t kTagAndType = TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
  Block filled;
  for (const auto& [status, type] : {std::pair<std::uint32_t, std::uint16_t>{kTagAndType, 0x88a8},
                                     {kTagAndType, 0x8100},
                                     {TP_STATUS_VLAN_VALID, 0x88a8}}) {
    const std::size_t at = filled.add("tagged", PACKET_HOST);
    filled.frame(at).tp_status = status;
    filled.frame(at).hv1.tp_vlan_tpid = type;
  }
  const auto frames = take_all(filled);
  REQUIRE(frames.size() == 3);
  CHECK(frames[0].flags == (wire::kFrameVlanStripped | wire::kFrameVlanService));
  CHECK(frames[1].flags == wire::kFrameVlanStripped);
  CHECK(frames[2].flags == wire::kFrameVlanStripped);
}

TEST_CASE("frames of unknown interfaces are left out, and counted") {
  Block block;
  block.add("a", PACKET_HOST, 4242);
  block.add("b", PACKET_HOST);
  block.add("c", PACKET_HOST, 4242);
  PacketBlock walk(block.span());
  std::array<Frame, 8> frames;
  CHECK(walk.take(frames) == 1);
  CHECK(text_of(frames[0]) == "b");
  CHECK(walk.unknown() == 2);
  CHECK(walk.done());
}

TEST_CASE("headers that make no sense end the walk, behind the frames before them") {
  Block block;
  block.add("good", PACKET_HOST);
  const std::size_t bad = block.add("bad", PACKET_HOST);
  block.add("behind", PACKET_HOST);
  tpacket3_hdr& header = block.frame(bad);
  tpacket3_hdr& before = block.frame(kFirst);
  SUBCASE("captured: past the block") { header.tp_snaplen = 4000; }
  SUBCASE("captured: overflow") { header.tp_snaplen = UINT32_MAX - 50; }
  SUBCASE("begins behind the block") { header.tp_mac = 65535; }
  SUBCASE("next: outside") { before.tp_next_offset = 4096 - kFirst; }
  SUBCASE("next: overflow") { before.tp_next_offset = UINT32_MAX - 7; }
  SUBCASE("next: not aligned") { before.tp_next_offset += 4; }
  SUBCASE("next: none") { before.tp_next_offset = 0; }
  CHECK(take_all(block).size() == 1);
}

TEST_CASE("a walk in a circle ends") {
  Block block;
  block.add("good", PACKET_HOST);
  block.header().num_pkts = UINT32_MAX;
  block.frame(kFirst).tp_next_offset = static_cast<std::uint32_t>(-8);
  CHECK(take_all(block).size() <= 4096 / sizeof(tpacket3_hdr));
}

TEST_CASE("random blocks: no frame outside, and an end") {
  ::alarm(kPatience);
  const char* given = std::getenv("VMMC_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  std::printf("VMMC_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  std::mt19937_64 random(seed);
  std::size_t frames = 0;
  for (int round = 0; round < 20'000; ++round) {
    Block block;
    for (int i = 0; i < 12; ++i) block.add(std::string(random() % 200, 'x'), PACKET_HOST);
    const bool wholly = round % 8 == 0;
    for (std::uint64_t times = wholly ? 512 : 1 + random() % 6; times > 0; --times) {
      const std::size_t at = wholly ? (times - 1) * 8 : random() % 4088;
      const std::uint64_t value = random() % 2 == 0 ? random() % 4096 : random();
      std::memcpy(block.data() + at, &value, 1 + random() % 8);
    }
    for (const Frame& frame : take_all(block)) {
      ++frames;
      REQUIRE(frame.bytes.data() >= block.data());
      REQUIRE(frame.bytes.data() + frame.bytes.size() <= block.data() + 4096);
      REQUIRE(frame.bytes.size() <= frame.length);
    }
  }
  CHECK(frames > 20'000);
}

TEST_CASE("what interfaces of a kind send") {
  CHECK(link_type_of_hardware(ARPHRD_ETHER) == 1);
  CHECK(link_type_of_hardware(ARPHRD_LOOPBACK) == 1);
  CHECK(link_type_of_hardware(ARPHRD_NONE) == 101);
  CHECK(link_type_of_hardware(ARPHRD_IEEE80211_RADIOTAP) == 127);
  CHECK(!link_type_of_hardware(ARPHRD_NETROM));
}

}  // namespace
}  // namespace vmmc::nicsim
