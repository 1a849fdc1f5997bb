// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/real_time/carrier.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <memory>
#include <random>

#include "nicsim/real_time/testing/channel_ends.h"

namespace vmmc::nicsim::real_time {
namespace {

using testing::ReceivingEnd;
using testing::SendingEnd;
using wire::DatagramPlace;

constexpr std::uint64_t kDeadline = 10'000;

struct Fixture {
  explicit Fixture(std::uint32_t longest = 20'000, std::uint32_t depth = 8,
                   std::uint32_t messages = 1000, std::uint64_t period = 1000)
      : memory(std::move(ChannelMemory::make(ChannelShape::of(depth, longest)).value())),
        carrier(
            memory,
            {.messages = messages, .period = period, .deadline = kDeadline, .longest = longest}) {
    carrier.connect({.ends = {.from_node = 1, .to_node = 0}, .faults = &faults});
  }
  // Whether there was a packet.
  bool packet() {
    carrier.settle(now);
    if (!carrier.has_packet(now, true)) return false;
    carrier.serve(now, true);
    return true;
  }
  int packets() {
    int count = 0;
    while (packet()) ++count;
    return count;
  }

  std::uint64_t now = 1'000'000'000'000;
  FaultPlan faults;
  ChannelMemory memory;
  Carrier carrier;
  SendingEnd sender{memory};
  ReceivingEnd receiver{memory};
  const wire::ChannelVerdict& verdict = memory.verdict();
};

TEST_CASE("a page is lent: one packet, no copy, and it comes back") {
  Fixture f;
  REQUIRE(f.sender.send_page(4096, f.now));
  CHECK(f.packets() == 1);
  const auto datagram = f.receiver.receive();
  REQUIRE(datagram);
  CHECK(datagram->place == DatagramPlace::kPage);
  CHECK(f.receiver.data_of(*datagram) == f.sender.page(datagram->index));
  CHECK(f.receiver.is_whole(*datagram));
  CHECK(f.sender.pages.size() == 7);
  f.receiver.give_back(0);
  f.sender.collect();
  CHECK(f.sender.pages.size() == 8);
  CHECK(f.verdict.carried_out.load() == 1);
}

TEST_CASE("a long one goes fragment by fragment to its place, and is seen when all are there") {
  Fixture f;
  REQUIRE(f.sender.send_buffer(20'000, f.now));
  for (int n = 0; n < 4; ++n) {
    CHECK(f.packet());
    CHECK(!f.receiver.receive());
  }
  CHECK(f.sender.buffers.size() == 7);
  CHECK(f.packet());
  CHECK(!f.packet());
  const auto datagram = f.receiver.receive();
  REQUIRE(datagram);
  CHECK(datagram->length == 20'000);
  CHECK(f.receiver.is_whole(*datagram));
  f.sender.collect();
  CHECK(f.sender.buffers.size() == 8);
  CHECK(f.sender.targets.size() == 7);
}

TEST_CASE("nothing and a byte, in either place") {
  Fixture f;
  for (const std::uint32_t length : {0u, 1u}) {
    REQUIRE(f.sender.send_buffer(length, f.now));
    REQUIRE(f.sender.send_page(length, f.now));
    CHECK(f.packets() == 2);
    CHECK(f.receiver.receive()->length == length);
    CHECK(f.receiver.receive()->length == length);
  }
}

TEST_CASE(
    "a fragment that is dropped loses the datagram at its deadline; those behind it wait so long") {
  Fixture f;
  REQUIRE(f.faults.add({.action = FaultPlan::Action::kDrop, .from = 1, .skip = 2}));
  REQUIRE(f.sender.send_buffer(20'000, f.now));
  REQUIRE(f.sender.send_page(8, f.now));
  CHECK(f.packets() == 6);
  CHECK(!f.receiver.receive());
  CHECK(f.carrier.next_time(f.now) == f.now + kDeadline);
  f.now += kDeadline - 1;
  f.carrier.settle(f.now);
  CHECK(!f.receiver.receive());
  ++f.now;
  f.carrier.settle(f.now);
  CHECK(f.receiver.receive()->place == DatagramPlace::kLost);
  CHECK(f.receiver.receive()->place == DatagramPlace::kPage);
  f.sender.collect();
  CHECK(f.sender.targets.size() == 8);
  CHECK(f.sender.buffers.size() == 8);
  CHECK(f.verdict.lost.load() == 1);
  CHECK(f.carrier.next_time(f.now) == UINT64_MAX);
}

TEST_CASE("one that is corrupted is lost at once, and what is left of it is not sent") {
  Fixture f;
  REQUIRE(f.faults.add({.action = FaultPlan::Action::kCorrupt, .skip = 1}));
  REQUIRE(f.sender.send_buffer(20'000, f.now));
  REQUIRE(f.sender.send_page(8, f.now));
  CHECK(f.packets() == 3);
  CHECK(f.receiver.receive()->place == DatagramPlace::kLost);
  CHECK(f.receiver.is_whole(*f.receiver.receive()));
}

TEST_CASE("one that is delayed comes later, out of order, and the datagram is whole") {
  Fixture f;
  REQUIRE(f.faults.add({.action = FaultPlan::Action::kDelay, .skip = 1, .delay = 5000}));
  REQUIRE(f.sender.send_buffer(20'000, f.now));
  REQUIRE(f.sender.send_page(8, f.now));
  CHECK(f.packets() == 6);
  CHECK(!f.receiver.receive());
  CHECK(f.carrier.next_time(f.now) == f.now + 5000);
  f.now += 5000;
  CHECK(f.packets() == 1);
  CHECK(f.receiver.is_whole(*f.receiver.receive()));
  CHECK(f.receiver.is_whole(*f.receiver.receive()));
  CHECK(f.verdict.lost.load() == 0);
}

TEST_CASE("one that is delayed beyond the deadline is too late") {
  Fixture f;
  REQUIRE(f.faults.add({.action = FaultPlan::Action::kDelay, .delay = 2 * kDeadline}));
  REQUIRE(f.sender.send_page(8, f.now));
  CHECK(f.packets() == 1);
  f.now += 3 * kDeadline;
  f.packets();
  CHECK(f.receiver.receive()->place == DatagramPlace::kLost);
  f.sender.collect();
  CHECK(f.sender.pages.size() == 8);
}

TEST_CASE("sends that are over the budget are refused, and the page comes back") {
  Fixture f(64, 8, 2, 1000);
  for (int n = 0; n < 3; ++n) REQUIRE(f.sender.send_page(8, f.now));
  CHECK(f.packets() == 3);
  CHECK(f.verdict.refused.load() == 1);
  CHECK(f.receiver.receive()->place == DatagramPlace::kPage);
  CHECK(f.receiver.receive()->place == DatagramPlace::kPage);
  CHECK(f.receiver.receive()->place == DatagramPlace::kLost);
  f.sender.collect();
  CHECK(f.sender.pages.size() == 6);
  f.now += 1000;
  REQUIRE(f.sender.send_page(8, f.now));
  CHECK(f.packets() == 1);
  CHECK(f.receiver.receive()->place == DatagramPlace::kPage);
}

TEST_CASE("however late nicsim is, nothing is lost without a fault") {
  Fixture f;
  REQUIRE(f.sender.send_buffer(20'000, f.now));
  for (int n = 0; n < 5; ++n) {
    CHECK(f.packet());
    f.now += 2 * kDeadline;
  }
  CHECK(f.receiver.is_whole(*f.receiver.receive()));
  // One that is delayed, but due before the deadline, is served before it is given up.
  REQUIRE(f.faults.add({.action = FaultPlan::Action::kDelay, .delay = kDeadline - 1}));
  REQUIRE(f.sender.send_page(8, f.now));
  CHECK(f.packet());
  f.now += 2 * kDeadline;
  CHECK(f.packet());
  CHECK(f.receiver.receive()->place == DatagramPlace::kPage);
  CHECK(f.verdict.lost.load() == 0);
  // The same with one that was dropped: lost all the same, when the others are there.
  REQUIRE(f.faults.add({.action = FaultPlan::Action::kDrop, .skip = 1}));
  REQUIRE(f.sender.send_buffer(20'000, f.now));
  for (int n = 0; n < 5; ++n) {
    f.now += kDeadline;
    CHECK(f.packet());
  }
  CHECK(f.verdict.lost.load() == 0);
  CHECK(!f.packet());
  CHECK(f.verdict.lost.load() == 1);
}

TEST_CASE("slots that make no sense") {
  Fixture f(8192, 4);
  using Named = SendingEnd::Named;
  const Named bad[] = {{.place = static_cast<DatagramPlace>(0)},
                       {.place = DatagramPlace::kLost},
                       {.place = DatagramPlace::kPage, .index = 4},
                       {.place = DatagramPlace::kPage, .index = UINT32_MAX},
                       {.place = DatagramPlace::kPage, .length = 4097},
                       {.place = DatagramPlace::kBuffer, .index = 4},
                       {.place = DatagramPlace::kBuffer, .target = 4},
                       {.place = DatagramPlace::kBuffer, .length = 8193},
                       {.place = DatagramPlace::kBuffer, .length = UINT32_MAX}};
  std::uint64_t count = 0;
  for (const Named& named : bad) {
    f.sender.post(named, f.now);
    f.packets();
    CHECK(f.verdict.refused.load() == ++count);
    CHECK(f.receiver.receive()->place == DatagramPlace::kLost);
    CHECK(f.verdict.returned.load() == 0);
  }
  // Twice the same: the second time it is not the sender's.
  for (int n = 0; n < 2; ++n) f.sender.post({.place = DatagramPlace::kPage, .index = 1}, f.now);
  CHECK(f.packets() == 2);
  CHECK(f.receiver.receive()->place == DatagramPlace::kPage);
  CHECK(f.receiver.receive()->place == DatagramPlace::kLost);
  CHECK(f.verdict.returned.load() == 0);
  // A number that has been.
  f.sender.post({.place = DatagramPlace::kPage, .index = 2}, f.now, 3);
  f.packets();
  CHECK(f.receiver.receive()->place == DatagramPlace::kLost);
}

TEST_CASE("a channel of pages has no buffers") {
  Fixture f(64, 4);
  f.sender.post({.place = DatagramPlace::kBuffer, .length = 8}, f.now);
  f.packets();
  CHECK(f.verdict.refused.load() == 1);
  CHECK(f.receiver.receive()->place == DatagramPlace::kLost);
}

TEST_CASE("what the receiver has not passed is not written over") {
  Fixture f(64, 8);
  for (std::uint32_t n = 0; n < wire::kChannelSlots + 5; ++n) {
    f.sender.post({.place = DatagramPlace::kLost}, f.now);
    f.packets();
  }
  CHECK(f.verdict.carried_out.load() == wire::kChannelSlots);
  CHECK(!f.carrier.has_packet(f.now, true));
  CHECK(f.carrier.next_time(f.now) > f.now);
  CHECK(f.carrier.next_time(f.now) < UINT64_MAX);
  for (std::uint32_t n = 0; n < wire::kChannelSlots; ++n) REQUIRE(f.receiver.receive());
  CHECK(f.packets() == 5);
}

TEST_CASE("after a time on the host executor the numbers go on where the sender is") {
  Fixture f(64, 8);
  REQUIRE(f.sender.send_page(8, f.now));
  f.packets();
  REQUIRE(f.receiver.receive());
  f.receiver.next = f.sender.number = 40;  // host
  f.receiver.demand().received.store(40);
  f.carrier.resume();
  REQUIRE(f.sender.send_page(8, f.now));
  f.packets();
  CHECK(f.receiver.receive()->number == 40);
  REQUIRE(f.sender.send_page(8, f.now));
  f.packets();
  CHECK(f.receiver.receive()->number == 41);
}

TEST_CASE(
    "a sender that has ended: what it has sent arrives, and nothing that is stored later for "
    "ever") {
  Fixture f(64, 8);
  REQUIRE(f.sender.send_page(8, f.now));
  f.carrier.end();
  CHECK(!f.carrier.has_ended());
  f.packets();
  CHECK(f.carrier.has_ended());
  CHECK(f.receiver.receive());
  for (int n = 0; n < 1000; ++n) {
    f.sender.post({.place = DatagramPlace::kLost}, f.now);
    f.packets();
    f.receiver.receive();
  }
  CHECK(f.carrier.has_ended());
  CHECK(f.verdict.carried_out.load() == wire::kChannelSlots);
}

TEST_CASE(
    "random: every page and buffer is in one hand, every number comes once, counters are exact") {
  const std::uint64_t seed = std::random_device{}();
  MESSAGE("seed ", seed);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    Fixture f(20'000, 1 + static_cast<std::uint32_t>(random() % 16));
    std::uint64_t seen_lost = 0;
    std::uint64_t seen = 0;
    const auto receive = [&] {
      const auto datagram = f.receiver.receive();
      if (!datagram) return false;
      if (datagram->place == DatagramPlace::kLost) return ++seen_lost, true;
      CHECK(f.receiver.is_whole(*datagram));
      return ++seen, true;
    };
    for (int step = 0; step < 1500; ++step) {
      const auto length = static_cast<std::uint32_t>(random() % 20'001);
      switch (random() % 8) {
        case 0:
          f.sender.send_page(length % 4097, f.now);
          break;
        case 1:
          f.sender.send_buffer(length, f.now);
          break;
        case 2:
        case 3:
          f.packet();
          break;
        case 4:
          receive();
          break;
        case 5:
          if (!f.receiver.held.empty()) f.receiver.give_back(random() % f.receiver.held.size());
          break;
        case 6:
          f.now += random() % 3000;
          break;
        default:
          if (random() % 4 != 0 || f.faults.faults().size() > 3) break;
          f.faults.add({.action = static_cast<FaultPlan::Action>(random() % 3),
                        .skip = static_cast<std::uint32_t>(random() % 6),
                        .delay = random() % (2 * kDeadline)});
      }
    }
    for (int n = 0; n < 3; ++n) {
      f.packets();
      f.now += 2 * kDeadline;
    }
    f.carrier.settle(f.now);
    while (receive()) {
    }
    while (!f.receiver.held.empty()) f.receiver.give_back(0);
    f.sender.collect();
    CHECK(f.carrier.is_idle());
    CHECK(seen + seen_lost == f.sender.number);
    CHECK(seen_lost == f.verdict.lost.load());
    CHECK(f.verdict.refused.load() == 0);
    CHECK(f.verdict.carried_out.load() == f.sender.posted);
    CHECK(f.sender.pages.size() == f.memory.shape.depth);
    CHECK(f.sender.buffers.size() == f.memory.shape.depth);
    CHECK(f.sender.targets.size() == f.memory.shape.depth);
  }
}

TEST_CASE("random bytes in everything that the clients write") {
  const std::uint64_t seed = std::random_device{}();
  MESSAGE("seed ", seed);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  ::alarm(60);
  for (int round = 0; round < 20; ++round) {
    Fixture f(20'000, 1 + static_cast<std::uint32_t>(random() % 16));
    for (int step = 0; step < 2000; ++step) {
      auto& slot = f.sender.source().outgoing[f.verdict.carried_out.load() % wire::kChannelSlots];
      std::uint64_t words[7];
      for (auto& word : words) word = random() % 3 == 0 ? random() : random() % 20;
      std::memcpy(reinterpret_cast<std::byte*>(&slot) + 8, words, sizeof words);
      if (random() % 2 == 0) slot.place = static_cast<DatagramPlace>(1 + random() % 2);
      f.sender.source().outgoing[f.sender.posted % wire::kChannelSlots].sequence.store(
          f.sender.posted + 1);
      ++f.sender.posted;
      auto& demand = f.receiver.demand();
      if (random() % 8 == 0) demand.returned.store(random());
      demand.returns[random() % wire::kChannelSlots].store(static_cast<std::uint32_t>(random()));
      if (random() % 8 == 0) demand.received.store(random());
      f.packets();
      f.now += random() % 5000;
      CHECK(f.carrier.next_time(f.now) > 0);
    }
    f.receiver.demand().received.store(UINT64_MAX);
    f.receiver.demand().lost.store(0);
    f.now += 10 * kDeadline;
    f.packets();
    CHECK(f.verdict.carried_out.load() > 0);
  }
  ::alarm(0);
}

}  // namespace
}  // namespace vmmc::nicsim::real_time
