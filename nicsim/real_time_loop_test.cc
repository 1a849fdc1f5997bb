// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Real-time channels and the loop: who rings, who waits how long, and a nicsim that sleeps.

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nicsim/real_time/testing/channel_ends.h"
#include "nicsim/testing/loop_fixture.h"
#include "platform/system_calls.h"

namespace vmmc::nicsim {
namespace {

using testing::LoopFixture;

struct Fixture : LoopFixture {
  std::unique_ptr<testing::FakeClient> receiver = client(0);
  std::unique_ptr<testing::FakeClient> sender = client(1);
  std::unique_ptr<real_time::testing::SendingEnd> sending;
  std::unique_ptr<real_time::testing::ReceivingEnd> receiving;

  explicit Fixture(std::uint64_t deadline = 20'000'000) {
    inside([&] { connect_channel(deadline); });
    sending = std::make_unique<real_time::testing::SendingEnd>(ends_);
    receiving = std::make_unique<real_time::testing::ReceivingEnd>(ends_);
  }

  // Whether nicsim had asked to be rung for.
  bool send() {
    REQUIRE(sending->send_page(100, real_time::monotonic_ns()));
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (sender->channel().doorbell.nic_sleeps.exchange(0) == 0) return false;
    ring(*sender);
    return true;
  }
  // Until nicsim sleeps, or is about to.
  void await_sleep() {
    await([&] { return sender->channel().doorbell.nic_sleeps.load() == 1; });
  }
  bool send_to_sleeper() {
    await_sleep();
    return send();
  }
  wire::DatagramPlace receive() {
    std::optional<real_time::testing::ReceivingEnd::Datagram> datagram;
    await([&] {
      datagram = receiving->receive();
      return datagram.has_value();
    });
    return datagram->place;
  }

 private:
  static platform::SharedMapping map(int file, std::size_t bytes) {
    return std::move(platform::SharedMapping::map(file, bytes).value());
  }
  void connect_channel(std::uint64_t deadline) {
    wire::OpenChannelRequest open{};
    open.channel = 1;
    open.messages = 1000;
    open.period = 1'000'000'000;
    open.deadline = deadline;
    open.longest = 100;
    open.depth = 16;
    open.executor = wire::ExecutorDemand::kNic;
    open.user = wire::kAnyUser;
    open.from_node = wire::kAnyNode;
    open.from_process = wire::kAnyProcess;
    const auto opened = machine.open_channel(*receiver->process, open);
    REQUIRE(opened.reply.header.status == wire::Status::kOk);
    ends_.shape = real_time::ChannelShape::of(16, 100);
    ends_.arrival_part.mapping = map(opened.descriptors.numbers[1], ends_.shape.arrival_bytes());
    ends_.demand_part.mapping = map(opened.descriptors.numbers[2], sizeof(wire::ChannelDemand));
    wire::ConnectChannelRequest connect{};
    connect.process = receiver->process->id;
    connect.channel = 1;
    const auto connected = machine.connect_channel(*sender->process, connect);
    REQUIRE(connected.reply.header.status == wire::Status::kOk);
    ends_.source_part.mapping = map(connected.descriptors.numbers[0], ends_.shape.source_bytes());
    // These ends read no verdict: an empty one stands for it.
    const platform::FileDescriptor verdict(
        platform::system_calls().memfd_create("verdict", MFD_CLOEXEC));
    REQUIRE(::ftruncate(verdict.get(), sizeof(wire::ChannelVerdict)) == 0);
    ends_.verdict_part.mapping = map(verdict.get(), sizeof(wire::ChannelVerdict));
  }

  real_time::ChannelMemory ends_;
};

TEST_CASE("who sends to a nicsim that sleeps rings the doorbell, and is heard") {
  Fixture f;
  // Not each time: nicsim looks once more before it sleeps.
  for (int rings = 0; rings < 5;) {
    rings += f.send_to_sleeper();
    CHECK(f.receive() == wire::DatagramPlace::kPage);
    f.receiving->give_back(0);
  }
}

TEST_CASE("what is lost is given up in time though nobody rings") {
  Fixture f;
  f.inside([&] { f.machine.instruments().faults.add({.action = FaultPlan::Action::kDrop}); });
  f.await_sleep();
  const auto before = std::chrono::steady_clock::now();
  f.send();
  CHECK(f.receive() == wire::DatagramPlace::kLost);
  CHECK(std::chrono::steady_clock::now() - before > std::chrono::milliseconds(10));
}

TEST_CASE("one that is delayed arrives though nobody rings") {
  Fixture f(10'000'000'000);
  f.inside([&] {
    f.machine.instruments().faults.add({.action = FaultPlan::Action::kDelay, .delay = 5'000'000});
  });
  f.send_to_sleeper();
  CHECK(f.receive() == wire::DatagramPlace::kPage);
}

TEST_CASE("a pace that holds ordinary transfers does not hold datagrams") {
  Fixture f;
  const auto import = f.connect(*f.receiver, *f.sender, 9, 0, 4096);
  f.inside([&] { f.machine.instruments().pace.pause(); });
  f.notify(*f.sender, import, 1);
  f.send();
  CHECK(f.receive() == wire::DatagramPlace::kPage);
  f.send();
  CHECK(f.receive() == wire::DatagramPlace::kPage);
  CHECK(f.completed(*f.sender) == 0);
  f.inside([&] { f.machine.instruments().pace.full(); });
  f.await([&] { return f.completed(*f.sender) == 1; });
}

TEST_CASE("whose notifications find no room is heard when it sends a datagram") {
  Fixture f;
  const auto import = f.connect(*f.receiver, *f.sender, 9, 0, 4096);
  for (std::uint32_t n = 0; n <= wire::kNotificationSlots; ++n) f.notify(*f.sender, import, n);
  f.await([&] { return f.stalls(*f.sender) == 1; });
  for (int rings = 0; rings < 5;) {
    rings += f.send_to_sleeper();
    CHECK(f.receive() == wire::DatagramPlace::kPage);
    f.receiving->give_back(0);
  }
  CHECK(f.completed(*f.sender) == wire::kNotificationSlots);
  f.take(*f.receiver);
  f.await([&] { return f.completed(*f.sender) == wire::kNotificationSlots + 1; });
}

TEST_CASE("datagrams while other transfers keep nicsim busy") {
  Fixture f;
  const auto import = f.connect(*f.receiver, *f.sender, 9, 0, 4096);
  for (std::uint32_t n = 0; n < 300; ++n) {
    f.notify(*f.sender, import, n);
    f.take(*f.receiver);
    f.send();
    CHECK(f.receive() == wire::DatagramPlace::kPage);
    f.receiving->give_back(0);
  }
}

TEST_CASE("a sender that leaves with a datagram under way") {
  Fixture f;
  f.inside([&] { f.machine.instruments().faults.add({.action = FaultPlan::Action::kDrop}); });
  f.send();
  f.leave(*f.sender);
  CHECK(f.receive() == wire::DatagramPlace::kLost);
  f.leave(*f.receiver);
  CHECK(f.inside([&] { return f.machine.real_time().count(); }) == 0);
}

}  // namespace
}  // namespace vmmc::nicsim
