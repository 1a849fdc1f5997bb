// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/flow_hash.h"

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <vector>

using vmmc::nicsim::flow_hash;

namespace {

using Bytes = std::vector<unsigned>;

constexpr std::uint16_t kEthernet = 1;
constexpr std::uint16_t kRawIp = 101;
constexpr std::uint16_t kLinuxCooked = 113;
constexpr std::uint16_t kLinuxCooked2 = 276;
constexpr std::uint16_t kBackplane = 147;

// In memory of exactly that size, so that a sanitizer sees what is read behind it.
std::uint32_t hash(const Bytes& bytes, std::uint16_t link) {
  const auto memory = std::make_unique<std::byte[]>(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) memory[i] = static_cast<std::byte>(bytes[i]);
  return flow_hash({memory.get(), bytes.size()}, link);
}

Bytes operator+(Bytes one, const Bytes& other) {
  one.insert(one.end(), other.begin(), other.end());
  return one;
}

const Bytes kOne{10, 0, 0, 1};
const Bytes kOther{192, 168, 7, 200};
const Bytes kHttp{0, 80};
const Bytes kClient{0xc0, 0x12};

Bytes ethernet(const Bytes& tags, const Bytes& type, const Bytes& packet, bool reversed = false) {
  const Bytes one{2, 0, 0, 0, 0, 1};
  const Bytes other{2, 0, 0, 0, 0, 9};
  return (reversed ? other + one : one + other) + tags + type + packet;
}

Bytes ipv4(const Bytes& from, const Bytes& to, const Bytes& ports, const Bytes& fragment = {0, 0},
           unsigned protocol = 6) {
  return Bytes{0x45, 0, 0, 60, 1, 2} + fragment + Bytes{64, protocol, 0, 0} + from + to + ports +
         Bytes(16, 5);
}

Bytes ipv6(unsigned from, unsigned to, const Bytes& rest, unsigned next) {
  Bytes packet{0x60, 0, 0, 0, 0, 40, next, 64};
  return packet + Bytes(16, from) + Bytes(16, to) + rest;
}

const Bytes kV4{0x08, 0x00};
const Bytes kV6{0x86, 0xdd};

}  // namespace

TEST_CASE("both directions of a flow are one flow") {
  const Bytes there = ipv4(kOne, kOther, kClient + kHttp);
  const Bytes back = ipv4(kOther, kOne, kHttp + kClient);
  CHECK(hash(ethernet({}, kV4, there), kEthernet) ==
        hash(ethernet({}, kV4, back, true), kEthernet));
  CHECK(hash(there, kRawIp) == hash(back, kRawIp));
  CHECK(hash(there, kRawIp) != 0);
  const Bytes v6_there = ipv6(1, 2, kClient + kHttp, 17);
  const Bytes v6_back = ipv6(2, 1, kHttp + kClient, 17);
  CHECK(hash(v6_there, kRawIp) == hash(v6_back, kRawIp));
  CHECK(hash(v6_there, kRawIp) != hash(ipv6(1, 2, kClient + Bytes{0, 81}, 17), kRawIp));
}

TEST_CASE("whatever the link, a packet's flow is the same") {
  const Bytes packet = ipv4(kOne, kOther, kClient + kHttp);
  const std::uint32_t expected = hash(packet, kRawIp);
  CHECK(hash(ethernet({}, kV4, packet), kEthernet) == expected);
  CHECK(hash(ethernet({0x81, 0, 0, 5}, kV4, packet), kEthernet) == expected);
  CHECK(hash(ethernet({0x88, 0xa8, 0, 5, 0x81, 0, 0, 6}, kV4, packet), kEthernet) == expected);
  CHECK(hash(Bytes(14, 0) + kV4 + packet, kLinuxCooked) == expected);
  CHECK(hash(kV4 + Bytes(18, 0) + packet, kLinuxCooked2) == expected);
}

TEST_CASE("addresses, ports and protocol make the flow") {
  const Bytes packet = ipv4(kOne, kOther, kClient + kHttp);
  CHECK(hash(packet, kRawIp) != hash(ipv4(kOne, kOther, kClient + Bytes{0, 81}), kRawIp));
  CHECK(hash(packet, kRawIp) != hash(ipv4(kOne, {10, 0, 0, 2}, kClient + kHttp), kRawIp));
  CHECK(hash(packet, kRawIp) != hash(ipv4(kOne, kOther, kClient + kHttp, {0, 0}, 17), kRawIp));
  // The ports belong to their addresses.
  CHECK(hash(packet, kRawIp) != hash(ipv4(kOne, kOther, kHttp + kClient), kRawIp));
}

TEST_CASE("all fragments go where their addresses say") {
  const Bytes first = ipv4(kOne, kOther, kClient + kHttp, {0x20, 0});
  const Bytes later = ipv4(kOne, kOther, {9, 9, 9, 9}, {0x20, 5});
  const Bytes last = ipv4(kOther, kOne, {7, 7, 7, 7}, {0, 9});
  CHECK(hash(first, kRawIp) == hash(later, kRawIp));
  CHECK(hash(first, kRawIp) == hash(last, kRawIp));
  const Bytes v6_first = ipv6(1, 2, Bytes{17, 0, 0, 1, 0, 0, 0, 1} + kClient + kHttp, 44);
  const Bytes v6_last = ipv6(2, 1, Bytes{17, 0, 0, 8, 0, 0, 0, 1} + Bytes(8, 3), 44);
  CHECK(hash(v6_first, kRawIp) == hash(v6_last, kRawIp));
  // "Do not fragment" is none.
  CHECK(hash(ipv4(kOne, kOther, kClient + kHttp, {0x40, 0}), kRawIp) ==
        hash(ipv4(kOne, kOther, kClient + kHttp), kRawIp));
}

TEST_CASE("options and extension headers are skipped") {
  Bytes with_options{0x46, 0, 0, 60, 1, 2, 0, 0, 64, 6, 0, 0};
  with_options = with_options + kOne + kOther + Bytes{1, 1, 1, 1} + kClient + kHttp;
  CHECK(hash(with_options, kRawIp) == hash(ipv4(kOne, kOther, kClient + kHttp), kRawIp));
  const Bytes extended = ipv6(1, 2, Bytes{17, 1} + Bytes(14, 0) + kClient + kHttp, 0);
  CHECK(hash(extended, kRawIp) == hash(ipv6(1, 2, kClient + kHttp, 17), kRawIp));
}

TEST_CASE("other Ethernet: the two stations") {
  const Bytes arp{8, 6};
  CHECK(hash(ethernet({}, arp, Bytes(28, 1)), kEthernet) ==
        hash(ethernet({}, arp, Bytes(28, 2), true), kEthernet));
  CHECK(hash(ethernet({}, arp, Bytes(28, 1)), kEthernet) != 0);
}

TEST_CASE("packets of the backplane: both ends") {
  Bytes there(72, 0);
  there[8] = 1, there[10] = 2, there[12] = 7, there[16] = 9;
  Bytes back(72, 0);
  back[8] = 2, back[10] = 1, back[12] = 9, back[16] = 7;
  CHECK(hash(there, kBackplane) == hash(back, kBackplane));
  back[16] = 8;
  CHECK(hash(there, kBackplane) != hash(back, kBackplane));
}

TEST_CASE("flows spread evenly") {
  int halves[2] = {0, 0};
  std::set<std::uint32_t> hashes;
  for (unsigned port = 0; port < 1000; ++port) {
    const std::uint32_t value =
        hash(ipv4(kOne, kOther, Bytes{port >> 8, port & 255} + kHttp), kRawIp);
    ++halves[value >> 31];
    hashes.insert(value);
  }
  CHECK(hashes.size() > 990);
  CHECK(halves[0] > 400);
  CHECK(halves[1] > 400);
}

TEST_CASE("no byte behind a frame is read, wherever it ends and whatever it says") {
  const std::vector<std::pair<Bytes, std::uint16_t>> whole{
      {ethernet({0x81, 0, 0, 5}, kV4, ipv4(kOne, kOther, kClient + kHttp)), kEthernet},
      {ethernet(
           {}, kV6,
           ipv6(1, 2, Bytes{60, 1} + Bytes(14, 0) + Bytes{17, 0} + Bytes(6, 0) + kClient + kHttp,
                0)),
       kEthernet},
      {Bytes(14, 0) + kV6 + ipv6(1, 2, kClient, 17), kLinuxCooked},
      {kV4 + Bytes(18, 0) + ipv4(kOne, kOther, kClient), kLinuxCooked2},
      {Bytes(72, 3), kBackplane},
      {Bytes(40, 0x4f), kRawIp}};
  std::uint32_t sum = 0;
  for (const auto& [bytes, link] : whole) {
    for (std::size_t length = 0; length <= bytes.size(); ++length) {
      sum += hash(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)), link);
    }
  }
  const std::uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int turn = 0; turn < 20'000; ++turn) {
    const auto& [bytes, link] = whole[random() % whole.size()];
    Bytes changed(bytes.begin(),
                  bytes.begin() + static_cast<std::ptrdiff_t>(random() % (bytes.size() + 1)));
    for (int n = 0; n < 4 && !changed.empty(); ++n)
      changed[random() % changed.size()] = random() % 256;
    const std::uint32_t once = hash(changed, link);
    CHECK(once == hash(changed, link));
    sum += once;
  }
  CHECK(sum != 0);
  CHECK(hash(Bytes(60, 0x45), 9999) == 0);  // a link that nobody knows
}
