// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a real-time packet waits for: at most one packet of an ordinary transfer.

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "nicsim/real_time/testing/channel_ends.h"
#include "nicsim/testing/engine_fixture.h"
#include "platform/system_calls.h"

namespace vmmc::nicsim {
namespace {

constexpr std::uint64_t kBulk = 1000 * wire::kPageSize;

// Publishes a datagram as soon as the network interface has begun with the n-th ordinary packet, and notes how
// many have passed when it is there. Stands where the engine asks what goes first.
class Probe final : public real_time::PacketsFirst {
 public:
  Probe(real_time::RealTimeChannels& channels, real_time::testing::SendingEnd& sender,
        real_time::testing::ReceivingEnd& receiver, const ChannelView& bulk)
      : channels_(channels), sender_(sender), receiver_(receiver), bulk_(bulk) {}

  void serve_waiting() override {
    const std::uint64_t moved = packets();
    most_between = std::max(most_between, moved - seen_);
    seen_ = moved;
    channels_.engine().serve_waiting();
    while (receiver_.receive()) {
      ++received;
      most_waited = std::max(most_waited, moved - published_);
      receiver_.give_back(0);
    }
    if (sender_.send_page(64, real_time::monotonic_ns())) published_ = moved;
  }
  std::uint64_t packets() const { return bulk_.counters().packets_sent.load(); }

  std::uint64_t most_between = 0;
  std::uint64_t most_waited = 0;
  std::uint64_t received = 0;

 private:
  real_time::RealTimeChannels& channels_;
  real_time::testing::SendingEnd& sender_;
  real_time::testing::ReceivingEnd& receiver_;
  const ChannelView& bulk_;
  std::uint64_t seen_ = 0;
  std::uint64_t published_ = 0;
};

struct Fixture : testing::EngineFixture {
  real_time::ChannelAnswer open() {
    wire::OpenChannelRequest request{};
    request.channel = 1;
    request.messages = wire::kMostMessages;
    request.period = wire::kLongestPeriod;
    request.deadline = wire::kLongestPeriod;
    request.longest = 64;
    request.depth = 4;
    request.executor = wire::ExecutorDemand::kNic;
    request.user = wire::kAnyUser;
    request.from_node = wire::kAnyNode;
    request.from_process = wire::kAnyProcess;
    return machine.open_channel(*receiver.process, request);
  }
  real_time::ChannelAnswer connect_channel() {
    wire::ConnectChannelRequest request{};
    request.node = receiver.process->node;
    request.process = receiver.process->id;
    request.channel = 1;
    return machine.connect_channel(*sender.process, request);
  }
  static platform::SharedMapping map(int file, std::size_t bytes) {
    return std::move(platform::SharedMapping::map(file, bytes).value());
  }
};

TEST_CASE("a real-time datagram waits for one packet of a bulk transfer at most") {
  Fixture f;
  f.machine.real_time().limit({.packet_ns = 1000});
  const auto opened = f.open();
  REQUIRE(opened.reply.header.status == wire::Status::kOk);
  real_time::ChannelMemory ends;
  ends.shape = real_time::ChannelShape::of(4, 64);
  ends.arrival_part.mapping = f.map(opened.descriptors.numbers[1], ends.shape.arrival_bytes());
  ends.demand_part.mapping = f.map(opened.descriptors.numbers[2], sizeof(wire::ChannelDemand));
  const auto connected = f.connect_channel();
  REQUIRE(connected.reply.header.status == wire::Status::kOk);
  ends.source_part.mapping = f.map(connected.descriptors.numbers[0], ends.shape.source_bytes());
  // The verdict cannot be mapped for writing; these ends only read it.
  const platform::FileDescriptor verdict(
      platform::system_calls().memfd_create("verdict", MFD_CLOEXEC));
  REQUIRE(::ftruncate(verdict.get(), sizeof(wire::ChannelVerdict)) == 0);
  ends.verdict_part.mapping = f.map(verdict.get(), sizeof(wire::ChannelVerdict));
  real_time::testing::SendingEnd sending(ends);
  real_time::testing::ReceivingEnd receiving(ends);

  Probe probe(f.machine.real_time(), sending, receiving, f.sender.process->channel);
  f.engine.let_first(probe);
  const auto import = f.connect(0, kBulk);
  const auto ticket =
      f.sender.post(import, 0, wire::LocalPlace::kSegment, f.sender.local(kBulk, 0));
  CHECK(f.outcome(ticket) == wire::Status::kOk);
  CHECK(probe.packets() == 1000);
  CHECK(probe.most_between == 1);
  CHECK(probe.most_waited == 1);
  CHECK(probe.received >= 999);
}

TEST_CASE("without a channel on the nic executor transfers go in large pieces") {
  Fixture f;
  const auto import = f.connect(0, kBulk);
  f.sender.post(import, 0, wire::LocalPlace::kSegment, f.sender.local(kBulk, 0));
  f.engine.serve(*f.sender.process);
  CHECK(f.sender.process->channel.counters().packets_sent.load() > 1);
  CHECK(!f.machine.instruments().by_packet());
}

}  // namespace
}  // namespace vmmc::nicsim
