// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/real_time/real_time_engine.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "nicsim/real_time/testing/channel_ends.h"

namespace vmmc::nicsim::real_time {
namespace {

using testing::ReceivingEnd;
using testing::SendingEnd;
using Served = RealTimeEngine::Served;

struct Line {
  Line(std::uint64_t deadline, std::uint32_t messages, std::uint64_t period = 100'000)
      : memory(std::move(ChannelMemory::make(ChannelShape::of(16, 8192)).value())),
        carrier(memory,
                {.messages = messages, .period = period, .deadline = deadline, .longest = 8192}) {}
  ChannelMemory memory;
  Carrier carrier;
  SendingEnd sender{memory};
  ReceivingEnd receiver{memory};
};

struct Fixture {
  std::uint64_t now = 1'000'000'000;
  RealTimeEngine engine{[this] { return now; }};
};

TEST_CASE("the shorter deadline goes first, whoever was added first; packet by packet") {
  Fixture f;
  Line slow(50'000, 100);
  Line fast(20'000, 100);
  f.engine.add(slow.carrier);
  f.engine.add(fast.carrier);
  CHECK(f.engine.serve_packet() == Served::kNothing);
  REQUIRE(slow.sender.send_buffer(8192, f.now));
  CHECK(f.engine.serve_packet() == Served::kPacket);
  REQUIRE(fast.sender.send_page(8, f.now));
  CHECK(f.engine.has_ready());
  CHECK(f.engine.serve_packet() == Served::kPacket);  // between two fragments of the other
  CHECK(fast.receiver.receive());
  CHECK(!slow.receiver.receive());
  CHECK(f.engine.serve_packet() == Served::kPacket);
  CHECK(slow.receiver.receive());
  CHECK(f.engine.serve_packet() == Served::kNothing);
  CHECK(!f.engine.has_ready());
  CHECK(f.engine.ns_to_next() == UINT64_MAX);
  f.engine.remove(fast.carrier);
  REQUIRE(fast.sender.send_page(8, f.now));
  CHECK(f.engine.serve_packet() == Served::kNothing);
}

TEST_CASE(
    "one that sends faster than its budget does not keep the others, nor ordinary packets, "
    "waiting") {
  Fixture f;
  Line greedy(10'000, 2);
  Line honest(50'000, 100);
  f.engine.add(greedy.carrier);
  f.engine.add(honest.carrier);
  for (int n = 0; n < 8; ++n) REQUIRE(greedy.sender.send_page(8, f.now));
  for (int n = 0; n < 4; ++n) REQUIRE(honest.sender.send_page(8, f.now));
  // Two of the greedy one, four of the honest one, and one that is beyond the budget ends the
  // round.
  CHECK(f.engine.serve_all());
  CHECK(honest.memory.verdict().carried_out.load() == 4);
  CHECK(greedy.memory.verdict().carried_out.load() == 3);
  CHECK(f.engine.serve_packet() == Served::kBeyondBudget);
  CHECK(greedy.memory.verdict().refused.load() == 2);
}

TEST_CASE("what is sent while nicsim looks at its clock is as old as its sender says") {
  std::uint64_t now = 1'000'000'000;
  std::function<void()> meanwhile = [] {};
  RealTimeEngine engine([&] {
    const std::uint64_t read = now;
    std::exchange(meanwhile, [] {})();
    return read;
  });
  Line line(20'000, 1);
  engine.add(line.carrier);
  REQUIRE(line.sender.send_page(8, now));
  CHECK(engine.serve_all());
  REQUIRE(line.receiver.receive()->place == wire::DatagramPlace::kPage);
  now += 99'900;
  meanwhile = [&] {
    now += 100;  // a period after the first one, and so within the budget
    REQUIRE(line.sender.send_page(8, now));
  };
  CHECK(engine.serve_all());
  CHECK(line.receiver.receive()->place == wire::DatagramPlace::kPage);
  CHECK(line.memory.verdict().refused.load() == 0);
}

TEST_CASE("nonsense in one channel does not disturb another") {
  Fixture f;
  Line bad(10'000, 1000);
  Line good(20'000, 1000);
  f.engine.add(bad.carrier);
  f.engine.add(good.carrier);
  for (std::uint32_t n = 0; n < 500; ++n) {
    bad.sender.post({.place = static_cast<wire::DatagramPlace>(n),
                     .index = n * 0x1234567,
                     .length = n << 20,
                     .target = ~n},
                    n * 0x123456789, n % 7);
    REQUIRE(good.sender.send_page(100, f.now));
    f.engine.serve_all();
    const auto datagram = good.receiver.receive();
    REQUIRE(datagram);
    CHECK(good.receiver.is_whole(*datagram));
    good.receiver.give_back(0);
    f.now += 200;
  }
  CHECK(bad.memory.verdict().refused.load() > 0);
  CHECK(good.memory.verdict().refused.load() == 0);
}

TEST_CASE("the interval of the busiest channel") {
  Fixture f;
  Line slow(50'000, 2);
  Line busy(50'000, 10);
  CHECK(f.engine.shortest_interval() == UINT64_MAX);
  f.engine.add(slow.carrier);
  CHECK(f.engine.shortest_interval() == 50'000);
  f.engine.add(busy.carrier);
  CHECK(f.engine.shortest_interval() == 10'000);
  f.engine.remove(busy.carrier);
  CHECK(f.engine.shortest_interval() == 50'000);
}

TEST_CASE("when something is to be done though nobody sends") {
  Fixture f;
  FaultPlan faults;
  Line line(20'000, 100);
  line.carrier.connect({.ends = {.from_node = 0, .to_node = 0}, .faults = &faults});
  f.engine.add(line.carrier);
  REQUIRE(faults.add({.action = FaultPlan::Action::kDrop}));
  REQUIRE(line.sender.send_page(8, f.now));
  f.engine.serve_all();
  CHECK(f.engine.ns_to_next() == 20'000);
  CHECK(!f.engine.has_ready());
  f.now += 20'000;
  CHECK(f.engine.ns_to_next() == 0);
  CHECK(f.engine.has_ready());
  f.engine.serve_all();
  CHECK(line.receiver.receive()->place == wire::DatagramPlace::kLost);
  CHECK(!f.engine.has_ready());
}

TEST_CASE("sender, network interface and receiver, each in a thread of its own") {
  ::alarm(50);
  constexpr std::uint64_t kDatagrams = 3000;
  RealTimeEngine engine;
  Line line(1'000'000'000, 1'000'000, 1000);
  engine.add(line.carrier);
  std::atomic<bool> done{false};
  std::thread sender([&] {
    while (line.sender.number < kDatagrams) {
      const bool sent = line.sender.number % 2 == 0 ? line.sender.send_page(300, monotonic_ns())
                                                    : line.sender.send_buffer(5000, monotonic_ns());
      if (!sent) std::this_thread::yield();
    }
  });
  std::thread nic([&] {
    while (!done) {
      if (!engine.serve_all()) std::this_thread::yield();
    }
  });
  std::uint64_t whole = 0;
  while (line.receiver.next < kDatagrams) {
    const auto datagram = line.receiver.receive();
    if (!datagram) {
      std::this_thread::yield();
      continue;
    }
    whole += datagram->place != wire::DatagramPlace::kLost && line.receiver.is_whole(*datagram);
    if (!line.receiver.held.empty()) line.receiver.give_back(0);
  }
  done = true;
  sender.join();
  nic.join();
  CHECK(whole == kDatagrams);
  ::alarm(0);
}

}  // namespace
}  // namespace vmmc::nicsim::real_time
