// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A sender whose message has to notify a process that has no room stands still, and goes on when
// there is room or nobody left to notify.

#include <doctest/doctest.h>

#include <cstdlib>
#include <random>

#include "nicsim/testing/loop_fixture.h"

using namespace vmmc;
using nicsim::testing::FakeClient;
using nicsim::testing::LoopFixture;
using wire::kNotificationSlots;
using wire::Status;

namespace {

struct StallFixture : LoopFixture {
  std::unique_ptr<FakeClient> receiver = client(0);
  std::unique_ptr<FakeClient> sender = client(1);
  wire::ImportReply import = connect(*receiver, *sender, 1, 0, 4096);
  std::uint32_t sent = 0;
  std::uint32_t taken = 0;

  void notify() { LoopFixture::notify(*sender, import, sent++); }
  // The queue is full, and the sender stands still with `behind` messages.
  void stall(std::uint32_t behind = 1) {
    for (std::uint32_t i = 0; i < kNotificationSlots + behind; ++i) notify();
    await([&] { return stalls(*sender) == 1; });
    REQUIRE(completed(*sender) == kNotificationSlots);
  }
  void take(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      await([&] { return receiver->notifications_waiting() > 0; });
      const auto notification = LoopFixture::take(*receiver);
      REQUIRE(notification.has_value());
      REQUIRE(notification->immediate == taken++);
    }
  }
  void await_completed(std::uint64_t count) {
    await([&] { return completed(*sender) == count; });
  }
  wire::UnexportRequest unexport_request(std::uint32_t id) {
    wire::UnexportRequest request{};
    request.buffer_id = id;
    return request;
  }
  void unexport(FakeClient& exporter, std::uint32_t id) {
    CHECK_FALSE(inside([&] { return machine.unexport(*exporter.process, unexport_request(id)); }));
  }
  std::size_t unexported() {
    return inside([&] { return late_unexports.size(); });
  }
  Status accept(bool accepted, std::uint32_t scope) {
    return inside([&] {
      wire::AcceptNotificationsRequest request{};
      request.buffer_id = 1;
      request.scope = scope;
      request.accept = accepted ? 1 : 0;
      return machine.accept_notifications(*receiver->process, request);
    });
  }
};

}  // namespace

TEST_CASE_FIXTURE(StallFixture, "a stalled queue costs no rounds and holds nobody else up") {
  const auto bystander = client(2);
  const auto other = connect(*receiver, *bystander, 2, 4096, 64);
  stall();
  for (int i = 0; i < 20'000; ++i) {
    await([&] { return bystander->tickets() - completed(*bystander) < wire::kSendSlots; });
    bystander->post(other, 0, std::as_bytes(std::span("b", 1)));
    ring_if_asked(*bystander);
  }
  await([&] { return completed(*bystander) == 20'000; });
  CHECK(stalls(*sender) == 1);
  CHECK(completed(*sender) == kNotificationSlots);
  // Its bytes are there all the same.
  CHECK(receiver->memory()[0] == std::byte{'n'});
  take(1);
  await_completed(kNotificationSlots + 1);
  take(kNotificationSlots);
}

TEST_CASE_FIXTURE(StallFixture, "a stalled queue goes on with the receiver's doorbell alone") {
  stall(100);
  CHECK(receiver->take_notification().has_value());  // makes room, and does not say so
  ++taken;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(completed(*sender) == kNotificationSlots);
  CHECK(receiver->must_ring_for_room());
  ring(*receiver);
  await_completed(kNotificationSlots + 1);
  take(kNotificationSlots + 99);
  await_completed(kNotificationSlots + 100);
}

TEST_CASE_FIXTURE(StallFixture, "the queue goes on when the receiver leaves") {
  stall(10);
  leave(*receiver);
  await_completed(kNotificationSlots + 10);
  CHECK(sender->result(kNotificationSlots) == Status::kOk);  // its bytes had arrived
  CHECK(sender->result(kNotificationSlots + 1) == Status::kPeerDead);
}

TEST_CASE_FIXTURE(StallFixture, "the queue goes on when notifications are not accepted any more") {
  stall(10);
  SUBCASE("of the buffer") { CHECK(accept(false, 0) == Status::kOk); }
  SUBCASE("of the process") { CHECK(accept(false, wire::kAllBuffers) == Status::kOk); }
  await_completed(kNotificationSlots + 10);
  CHECK(receiver->channel().counters.notifications_discarded.load() == 10);
  take(kNotificationSlots);  // those that were queued stay
  CHECK_FALSE(receiver->take_notification().has_value());
}

TEST_CASE_FIXTURE(StallFixture, "a sender that leaves while it is stalled leaves nothing behind") {
  stall(10);
  leave(*sender);
  sender = client(1);
  import = inside([&] {
    return machine.import(*sender->process, sender->import_request(*receiver, 1))->reply;
});
take(kNotificationSlots);
std::this_thread::sleep_for(std::chrono::milliseconds(5));
CHECK_FALSE(receiver->take_notification().has_value());
sent = taken;
notify();
take(1);
}

TEST_CASE_FIXTURE(StallFixture, "several senders stalled on one receiver all go on") {
  std::vector<std::unique_ptr<FakeClient>> senders;
  std::vector<wire::ImportReply> imports;
  stall();
  for (std::uint32_t i = 0; i < 6; ++i) {
    senders.push_back(client(i % 4));
    imports.push_back(connect(*receiver, *senders[i], 10 + i, 4096 + 64 * i, 64));
    for (int n = 0; n < 20; ++n) LoopFixture::notify(*senders[i], imports[i], 1'000'000);
    await([&] { return stalls(*senders[i]) == 1; });
  }
  std::uint32_t others = 0;
  while (taken < sent || others < 6 * 20) {
    await([&] { return receiver->notifications_waiting() > 0; });
    const auto notification = LoopFixture::take(*receiver);
    if (notification->cookie != 1) {
      ++others;
    } else {
      CHECK(notification->immediate == taken++);
    }
  }
  for (auto& other : senders) await([&] { return completed(*other) == 20; });
}

// Its doorbell may be heard after nicsim has come to its queue by itself.
TEST_CASE_FIXTURE(StallFixture,
                  "a stalled sender that rings waits on, and that is no other stall") {
  stall();
  for (int i = 0; i < 10; ++i) {
    inside([&] { loop.doorbell(*sender->process); });
    await([&] { return inside([&] { return sender->process->stalled_on != nullptr; }); });
  }
  CHECK(stalls(*sender) == 1);
  take(1);
  await_completed(kNotificationSlots + 1);
}

TEST_CASE_FIXTURE(StallFixture,
                  "a process that has no room for its own notification goes on by itself") {
  const auto own = connect(*sender, *sender, 7, 0, 64);
  for (std::uint32_t i = 0; i <= kNotificationSlots; ++i) LoopFixture::notify(*sender, own, i);
  await([&] { return stalls(*sender) == 1; });
  CHECK(LoopFixture::take(*sender).has_value());
  await_completed(kNotificationSlots + 1);
}

// The two sides meet in every possible way; a wake-up that is lost stops both for ever.
TEST_CASE_FIXTURE(StallFixture,
                  "no wake-up is lost between a stalling sender and a slow receiver") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  constexpr std::uint32_t kMessages = 300'000;
  std::thread taker([&] {
    while (taken < kMessages) {
      const auto notification = LoopFixture::take(*receiver);
      if (!notification) {
        std::this_thread::yield();
      } else if (notification->immediate != taken++) {
        std::abort();  // no assertions here: this is not the test's thread
      }
    }
  });
  while (sent < kMessages) {
    notify();
    if (random() % 5000 == 0)
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
  }
  taker.join();
  await_completed(kMessages);
}

TEST_CASE_FIXTURE(StallFixture, "an unexport does not wait for the handlers of its own process") {
  stall(200);
  unexport(*receiver, 1);
  await([&] { return unexported() == 1; });
  CHECK(completed(*sender) == kNotificationSlots + 200);
  CHECK(sender->result(kNotificationSlots + 199) == Status::kOk);
  CHECK(receiver->notifications_waiting() == kNotificationSlots);
  take(kNotificationSlots + 200);  // what was kept comes behind, in order
}

TEST_CASE_FIXTURE(StallFixture, "nor for the handlers of a third process") {
  const auto exporter = client(3);
  const auto third = connect(*exporter, *sender, 5, 0, 64);
  stall(50);
  sender->post(third, 0, std::as_bytes(std::span("third", 5)));
  unexport(*exporter, 5);
  await([&] { return unexported() == 1; });
  CHECK(std::memcmp(exporter->memory(), "third", 5) == 0);
  // Nobody waits for the sender any more: it stalls again, behind what was kept.
  notify();
  await([&] { return stalls(*sender) == 2; });
  take(kNotificationSlots + 50);
  take(1);
}

TEST_CASE_FIXTURE(StallFixture,
                  "a sender that leaves while an unexport waits for it ends the wait") {
  stall(256);
  unexport(*receiver, 1);
  leave(*sender);
  await([&] { return unexported() == 1; });
}

TEST_CASE_FIXTURE(StallFixture, "an exporter that leaves while its unexport waits for a sender") {
  const auto exporter = client(3);
  const auto third = connect(*exporter, *sender, 5, 0, 64);
  stall();
  sender->post(third, 0, std::as_bytes(std::span("third", 5)));
  // In one go: nothing is served in between.
  inside([&] {
    CHECK_FALSE(machine.unexport(*exporter->process, unexport_request(5)).has_value());
    CHECK(sender->process->awaited == 1);
    loop.leaving(*exporter->process);
    machine.detach(*exporter->process);
    CHECK(sender->process->awaited == 0);
  });
  // Looked at, and stalled as before: that is one stall still.
  await([&] { return inside([&] { return sender->process->stalled_on != nullptr; }); });
  CHECK(stalls(*sender) == 1);
  take(1);
  await_completed(kNotificationSlots + 2);
  CHECK(sender->result(kNotificationSlots + 1) == Status::kPeerDead);
  CHECK(unexported() == 0);
}

TEST_CASE_FIXTURE(StallFixture,
                  "an import that is given up while its message is stalled notifies nobody") {
  stall();
  inside([&] {
    const wire::UnimportRequest request{{}, import.import_slot, import.import_generation};
    REQUIRE(machine.unimport(*sender->process, request) == Status::kOk);
  });
  SUBCASE("for good") {}
  SUBCASE("and its slot is another import's") {
    const auto again = connect(*receiver, *sender, 2, 4096, 64);
    CHECK(again.import_slot == import.import_slot);
    CHECK(again.import_generation == import.import_generation + 1);
  }
  take(kNotificationSlots);
  await_completed(kNotificationSlots + 1);
  CHECK(sender->result(kNotificationSlots) == Status::kOk);
  CHECK_FALSE(receiver->take_notification().has_value());
}

TEST_CASE_FIXTURE(StallFixture,
                  "a sender that withdraws what it has published does not hold an unexport up") {
  stall(3);
  // Two behind the one that stands still: the last one is there when the unexport looks, and not
  // when its turn comes.
  inside([&] {
    CHECK_FALSE(machine.unexport(*receiver->process, unexport_request(1)).has_value());
    sender->channel().send_queue[(kNotificationSlots + 2) % wire::kSendSlots].header = 0;
  });
  await([&] { return unexported() == 1; });
  CHECK(completed(*sender) == kNotificationSlots + 2);
  CHECK(sender->process->awaited == 0);
}
