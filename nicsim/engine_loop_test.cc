// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/engine_loop.h"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "nicsim/testing/fake_client.h"
#include "nicsim/testing/loop_fixture.h"

using namespace vmmc;
using nicsim::testing::FakeClient;
using nicsim::testing::MachineFixture;

// Control events are handled in several places of the loop; after none of them may it sleep.
TEST_CASE_FIXTURE(MachineFixture, "stop is heard whichever control event it comes in") {
  for (int before = 0; before < 600; ++before) {
    CAPTURE(before);
    boost::asio::io_context context(1);
    nicsim::EngineLoop loop(context, machine);
    bool overslept = false;
    boost::asio::steady_timer later(context, std::chrono::seconds(20));
    later.async_wait([&](const boost::system::error_code& error) { overslept = !error; });
    for (int i = 0; i < before; ++i) boost::asio::post(context, [] {});
    boost::asio::post(context, [&] { loop.stop(); });
    loop.run();
    REQUIRE_FALSE(overslept);
    later.cancel();
    context.run();
  }
}

// Else a client could attach to a nicsim that has decided to leave.
TEST_CASE_FIXTURE(MachineFixture, "nothing is carried out after stop") {
  boost::asio::io_context context(1);
  nicsim::EngineLoop loop(context, machine);
  // An active queue makes the loop poll the context, which carries out all that is ready.
  FakeClient client(machine, 0);
  loop.doorbell(*client.process);
  bool carried_out = false;
  boost::asio::post(context, [&] {
    loop.stop();
    boost::asio::post(context, [&] { carried_out = true; });
  });
  boost::asio::post(context, [&] { carried_out = true; });
  loop.run();
  CHECK_FALSE(carried_out);
}

namespace {

using nicsim::testing::LoopFixture;

// Posts what fills a queue; the loop must not look at it meanwhile.
void fill_queue(FakeClient& sender, const wire::ImportReply& import) {
  const std::uint64_t word = 1;
  for (std::uint32_t i = 0; i < wire::kSendSlots; ++i) {
    sender.post(import, 0, std::as_bytes(std::span(&word, 1)));
  }
}

}  // namespace

// Who rings while many are busy must not wait until each of them has been served many times.
TEST_CASE_FIXTURE(LoopFixture, "control messages are looked for after so many visits, not rounds") {
  constexpr std::uint64_t kSenders = 32;
  auto receiver = client(0);
  std::vector<std::unique_ptr<FakeClient>> senders;
  std::vector<wire::ImportReply> imports;
  for (std::uint32_t i = 0; i < kSenders; ++i) {
    senders.push_back(client(1));
    imports.push_back(connect(*receiver, *senders.back(), i, std::uint64_t{i} * 64, 64));
  }
  const auto carried_out = [&] {
    std::uint64_t sum = 0;
    for (const auto& sender : senders) sum += completed(*sender);
    return sum;
  };
  std::promise<std::uint64_t> heard;
  inside([&] {
    for (std::size_t i = 0; i < kSenders; ++i) fill_queue(*senders[i], imports[i]);
    for (const auto& sender : senders) loop.doorbell(*sender->process);
    boost::asio::post(context, [&] {  // from here on, all queues are busy
      boost::asio::post(context, [&] { heard.set_value(carried_out()); });
    });
  });
  const std::uint64_t by_then = heard.get_future().get();
  CHECK(by_then < kSenders * wire::kSendSlots);
  await([&] { return carried_out() == kSenders * wire::kSendSlots; });
}

// A doorbell is two system calls, and most who ring had only to wait for nicsim's last sleep to end.
TEST_CASE_FIXTURE(LoopFixture,
                  "a sleep of nicsim costs one doorbell, not one from each who was busy") {
  auto receiver = client(0);
  auto first = client(1);
  auto second = client(1);
  auto quiet = client(1);
  const auto to_first = connect(*receiver, *first, 1, 0, 64);
  const auto to_second = connect(*receiver, *second, 2, 64, 64);
  const std::uint64_t word = 1;
  const auto sleeps = [](FakeClient& sender) {
    return sender.channel().doorbell.nic_sleeps.load() == 1;
  };
  // On a loaded machine it may go to sleep twice before we look, and then who has not worked sleeps on.
  bool seen_awake = false;
  for (int tries = 0; !seen_awake && tries < 200; ++tries) {
    // Both are busy in the same time between two sleeps.
    inside([&] {
      first->post(to_first, 0, std::as_bytes(std::span(&word, 1)));
      second->post(to_second, 0, std::as_bytes(std::span(&word, 1)));
      loop.doorbell(*first->process);
      loop.doorbell(*second->process);
    });
    await([&] { return sleeps(*first) && sleeps(*second); });
    // Only the first one rings.
    std::promise<bool> awake;
    inside([&] {
      first->post(to_first, 0, std::as_bytes(std::span(&word, 1)));
      loop.doorbell(*first->process);
      boost::asio::post(context, [&] {
        boost::asio::post(context, [&] { awake.set_value(!sleeps(*first) && !sleeps(*second)); });
      });
    });
    seen_awake = awake.get_future().get();
    CHECK(sleeps(*quiet));
  }
  CHECK(seen_awake);
  await([&] { return sleeps(*first) && sleeps(*second); });  // both are parked again
}

// It must not be looked at after it has gone.
TEST_CASE_FIXTURE(LoopFixture, "who was busy before a sleep and leaves during it is forgotten") {
  auto receiver = client(0);
  for (int i = 0; i < 20; ++i) {
    auto sender = client(1);
    const auto import = connect(*receiver, *sender, 100u + static_cast<std::uint32_t>(i), 0, 8);
    const std::uint64_t word = 1;
    inside([&] {
      sender->post(import, 0, std::as_bytes(std::span(&word, 1)));
      loop.doorbell(*sender->process);
    });
    await([&] { return sender->channel().doorbell.nic_sleeps.load() == 1; });
    leave(*sender);
    inside([&] {
      REQUIRE_FALSE(
          machine.unexport(*receiver->process, {{}, 100u + static_cast<std::uint32_t>(i), 0})
              .has_value());
    });
  }
  CHECK(inside([&] { return machine.processes().size(); }) == 1);
}

// The request is heard of in the last look before a sleep as well, and then nobody has looked at the queue yet.
TEST_CASE_FIXTURE(LoopFixture,
                  "an unexport for which a descriptor was there, and is gone, is done") {
  constexpr int kRounds = 2000;
  constexpr std::size_t kSenders = 64;  // the loop looks for control messages every few rounds
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  auto receiver = client(0);
  std::vector<std::unique_ptr<FakeClient>> senders;
  for (std::size_t i = 0; i < kSenders; ++i) senders.push_back(client(1));
  FakeClient& flickering = *senders.front();
  std::size_t done = 0;
  for (int round = 0; round < kRounds && done == static_cast<std::size_t>(round); ++round) {
    const auto import = connect(*receiver, flickering, 1, 0, 64);
    inside([&] {
      for (const auto& sender : senders) loop.doorbell(*sender->process);
    });
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::nanoseconds(random() % 120'000);
    while (std::chrono::steady_clock::now() < end) {
    }
    inside([&] {
      wire::SendDescriptor& slot = flickering.next_slot(import, 0);
      slot.header =
          wire::make_header(0, wire::LocalPlace::kInline, wire::Operation::kDeliberateUpdate, 0, 8);
      wire::UnexportRequest request{};
      request.buffer_id = 1;
      CHECK_FALSE(machine.unexport(*receiver->process, request).has_value());
      slot.header = 0;
    });
    for (int looks = 0; done == static_cast<std::size_t>(round) && looks < 1000; ++looks) {
      std::this_thread::sleep_for(std::chrono::microseconds(looks));
      done = inside([&] { return late_unexports.size(); });
    }
    inside([&] {
      CHECK(machine.unimport(*flickering.process,
                             {{}, import.import_slot, import.import_generation}) ==
            wire::Status::kOk);
    });
  }
  CHECK(done == kRounds);
}
