// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A channel changes its executor at any moment, while datagrams flow. The sender is played as the
// library plays it: it obeys the verdict before each send, and goes back to host only when nicsim
// has carried out all that it was given.

#include <doctest/doctest.h>

#include <random>

#include "nicsim/real_time/real_time_channels.h"
#include "nicsim/real_time/testing/channel_ends.h"

namespace vmmc::nicsim::real_time {
namespace {

constexpr std::uint32_t kLongest = 10'000;

class SwitchingEnd : public testing::SendingEnd {
 public:
  explicit SwitchingEnd(const ChannelMemory& memory) : SendingEnd(memory), memory_(memory) {}

  // False: nothing is free.
  bool send(std::uint32_t length) {
    const wire::ChannelVerdict& verdict = memory_.verdict();
    const bool host =
        verdict.executor.load() == static_cast<std::uint32_t>(wire::ExecutorDemand::kHost) &&
        verdict.carried_out.load() == posted;
    if (!host) {
      const bool sent = length > wire::kPageSize ? send_buffer(length, monotonic_ns())
                                                 : send_page(length, monotonic_ns());
      by_nic += sent ? 1 : 0;
      return sent;
    }
    collect();
    std::set<std::uint32_t>& free = length > wire::kPageSize ? targets : pages;
    if (free.empty()) return false;
    const std::uint32_t index = *free.begin();
    free.erase(index);
    arrive(length, index);
    ++by_host;
    return true;
  }

  std::uint64_t by_nic = 0;
  std::uint64_t by_host = 0;

 private:
  void arrive(std::uint32_t length, std::uint32_t index) {
    const bool is_long = length > wire::kPageSize;
    std::byte* const bytes = is_long ? memory_.arrival_buffer(index) : page(index);
    for (std::uint32_t n = 0; n < length; ++n) bytes[n] = testing::content_of(number, n);
    wire::DatagramSlot& slot = memory_.arrival().slots[number % wire::kChannelSlots];
    slot.sent = monotonic_ns();
    slot.number = number;
    slot.place = is_long ? wire::DatagramPlace::kBuffer : wire::DatagramPlace::kPage;
    slot.index = index;
    slot.length = length;
    slot.tag = number * 3;
    slot.sequence.store(++number, std::memory_order_release);
  }

  const ChannelMemory& memory_;
};

struct Fixture {
  Fixture() {
    channels.limit({.packet_ns = 1});
    sender.id = 1;
    wire::OpenChannelRequest open{};
    open.messages = wire::kMostMessages;
    open.period = wire::kLongestPeriod;
    open.deadline = wire::kLongestPeriod;
    open.longest = kLongest;
    open.depth = 16;
    open.user = wire::kAnyUser;
    open.from_node = wire::kAnyNode;
    open.from_process = wire::kAnyProcess;
    REQUIRE(channels.open(receiver, open).reply.header.status == wire::Status::kOk);
    REQUIRE(channels.connect(sender, {}).reply.header.status == wire::Status::kOk);
  }

  void take(testing::ReceivingEnd& receiving, std::mt19937_64& random) {
    if (const auto datagram = receiving.receive()) {
      CHECK(datagram->place != wire::DatagramPlace::kLost);
      CHECK(receiving.is_whole(*datagram));
    }
    if (!receiving.held.empty() && random() % 4 != 0) {
      receiving.give_back(random() % receiving.held.size());
    }
  }

  Instruments instruments;
  RealTimeChannels channels{instruments};
  Process receiver{1 << 20};
  Process sender{1 << 20};
};

TEST_CASE("random switches while datagrams flow: none is lost, repeated or overtaken") {
  const std::uint64_t seed = std::random_device{}();
  MESSAGE("seed ", seed);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Fixture f;
  const ChannelMemory& memory = f.channels.all().front()->memory();
  SwitchingEnd sending(memory);
  testing::ReceivingEnd receiving(memory);
  for (int step = 0; step < 40'000; ++step) {
    switch (random() % 8) {
      case 0:
        f.channels.watch(random() % 2 == 0);
        break;
      case 1:
      case 2:
        f.channels.serve();
        break;
      case 3:
      case 4:
      case 5:
        (void)sending.send(static_cast<std::uint32_t>(random() % (kLongest >> random() % 8)));
        break;
      default:
        f.take(receiving, random);
    }
  }
  f.channels.watch(false);
  f.channels.serve();
  while (receiving.next < sending.number || !receiving.held.empty()) f.take(receiving, random);
  CHECK(sending.by_host > 1000);
  CHECK(sending.by_nic > 1000);
  CHECK(memory.verdict().carried_out.load() == sending.posted);
  CHECK(memory.verdict().refused.load() == 0);
  CHECK(memory.verdict().lost.load() == 0);
  sending.collect();
  CHECK(sending.pages.size() == 16);
  CHECK(sending.buffers.size() == 16);
  CHECK(sending.targets.size() == 16);
}

}  // namespace
}  // namespace vmmc::nicsim::real_time
