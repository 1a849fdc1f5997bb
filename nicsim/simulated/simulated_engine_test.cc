// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/simulated/simulated_engine.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "nicsim/testing/simulated_fixture.h"

namespace vmmc::nicsim::simulated {
namespace {

using parts::testing::test_model;
using testing::SimulatedClient;

// Two processes on two nodes, whose threads park by hand; nicsim's loop is advance().
struct Fixture : testing::SimulatedFixture {
  explicit Fixture(const model::TimingModel& model = test_model())
      : engine(model, {2, 2}, machine) {
    engine.attached(*receiver.process);
    engine.attached(*sender.process);
  }

  SimulatedEngine engine;
  SimulatedClient receiver{machine, 0};
  SimulatedClient sender{machine, 1};

  // Until somebody runs, or nothing is left to be done. False: time stands still.
  bool advance() {
    while (!engine.anybody_runs() && !engine.resume_somebody()) {
      if (!engine.step()) return false;
    }
    return true;
  }
  // Until `client` runs; the others have nothing to do.
  void advance_to(SimulatedClient& client) {
    REQUIRE(advance());
    REQUIRE(client.runs());
  }
  wire::ImportReply connect(std::uint32_t id, std::uint64_t offset, std::uint32_t flags = 0) {
    auto request = receiver.export_request(id, offset, wire::kPageSize);
    request.flags = flags;
    request.cookie = id;
    REQUIRE(machine.export_buffer(*receiver.process, request) == wire::Status::kOk);
    return machine.import(*sender.process, sender.import_request(receiver, id))->reply;
  }
  std::uint64_t store(const wire::ImportReply& import, std::uint64_t offset, std::uint8_t flags) {
    wire::SendDescriptor& slot = sender.next_slot(import, offset);
    return sender.publish(slot, wire::LocalPlace::kInline, 4, wire::Operation::kAutomaticUpdate,
                          flags);
  }
  void forever(SimulatedClient& client, std::uint32_t reasons = 0) {
    client.park(wire::kNoEnd, reasons);
  }
};

TEST_CASE_FIXTURE(Fixture, "time stands still while anybody runs") {
  receiver.park(5 * kMicrosecond);
  CHECK(engine.anybody_runs());
  CHECK(engine.now() == 0);
  CHECK(engine.who_runs() == "process (1, " + std::to_string(sender.process->id) + ")");
  sender.park(3 * kMicrosecond);
  advance_to(sender);
  CHECK(engine.now() == 3 * kMicrosecond);
  CHECK(sender.clock() == 3 * kMicrosecond);
  CHECK_FALSE(receiver.runs());
  forever(sender);
  advance_to(receiver);
  CHECK(engine.now() == 5 * kMicrosecond);
  forever(receiver);
  CHECK_FALSE(advance());
}

TEST_CASE_FIXTURE(Fixture, "bytes arrive while all are parked, and rouse who waits for them") {
  const auto import = connect(1, 0);
  forever(receiver, wire::kWakeOnArrival);
  const std::uint64_t ticket =
      sender.post(import, 8, std::as_bytes(std::span(std::string_view("text"))));
  CHECK(engine.anybody_runs());
  CHECK(std::string_view(reinterpret_cast<char*>(receiver.memory()), 12).substr(8) != "text");
  forever(sender, wire::kWakeOnCompletion);
  advance_to(sender);  // the source is free
  CHECK_FALSE(sender.completed(ticket));
  forever(sender);
  advance_to(receiver);
  CHECK(receiver.clock() > sender.clock());
  CHECK(std::string_view(reinterpret_cast<char*>(receiver.memory()) + 8, 4) == "text");
  CHECK(sender.completed(ticket));
  CHECK(sender.channel().counters.transfers_sent.load() == 1);
  CHECK(receiver.channel().counters.transfers_received.load() == 1);
}

TEST_CASE_FIXTURE(Fixture, "of two that may go on the lower one goes first, and alone") {
  sender.park(kMicrosecond);
  receiver.park(kMicrosecond);
  advance_to(receiver);
  CHECK_FALSE(sender.runs());
  forever(receiver);
  advance_to(sender);
  CHECK(engine.now() == kMicrosecond);
}

TEST_CASE_FIXTURE(Fixture, "a thread that another one has woken goes on when that one is parked") {
  forever(sender);
  receiver.set(wire::ContextState::kRunning, 1);
  receiver.park(wire::kNoEnd, wire::kWakeOnNotification, 1);
  receiver.context(1).woken.store(1);
  CHECK(engine.anybody_runs());
  CHECK_FALSE(receiver.runs(1));
  receiver.park(kMicrosecond);
  REQUIRE(advance());
  CHECK(receiver.runs(1));
  CHECK_FALSE(receiver.runs(0));
  CHECK(engine.now() == 0);
  CHECK(receiver.context(1).woken.load() == 0);
}

TEST_CASE_FIXTURE(Fixture, "a thread that is woken while all are parked goes on after a ring") {
  forever(sender);
  forever(receiver, wire::kWakeOnNotification);
  CHECK_FALSE(advance());
  engine.rang(*receiver.process);
  CHECK_FALSE(advance());
  receiver.context().woken.store(1);
  CHECK_FALSE(advance());
  engine.rang(*receiver.process);
  advance_to(receiver);
}

TEST_CASE_FIXTURE(Fixture, "somebody comes back until he has come back, or has died in it") {
  forever(sender);
  forever(receiver, wire::kIsOutside);
  CHECK_FALSE(engine.anybody_runs());
  CHECK_FALSE(engine.somebody_comes_back());
  receiver.context().woken.store(1);
  engine.rang(*receiver.process);
  CHECK_FALSE(engine.anybody_runs());
  CHECK(engine.somebody_comes_back());
  SUBCASE("has come back") {
    CHECK(engine.let_somebody_come_back());
    CHECK_FALSE(engine.somebody_comes_back());
    CHECK(engine.resume_somebody());
    CHECK(receiver.runs());
  }
  SUBCASE("has died") {
    engine.leaving(*receiver.process);
    CHECK_FALSE(engine.somebody_comes_back());
  }
}

TEST_CASE_FIXTURE(Fixture, "automatic updates are counted by packets, as the model combines") {
  const auto import = connect(1, 0);
  forever(receiver);
  for (std::uint64_t i = 0; i < 10; ++i) store(import, 4 * i, wire::kCombineBlock);
  for (std::uint64_t i = 0; i < 3; ++i) store(import, 100 + 4 * i, 0);
  forever(sender);
  CHECK_FALSE(advance());
  CHECK(sender.channel().counters.automatic_updates.load() == 4);
  CHECK(sender.channel().counters.transfers_sent.load() == 4);
  CHECK(sender.channel().counters.packets_sent.load() == 4);
  CHECK(sender.channel().counters.bytes_sent.load() == 52);
  CHECK(sender.channel().counters.inline_transfers.load() == 4);
  CHECK(receiver.channel().counters.transfers_received.load() == 4);
  CHECK(receiver.channel().counters.bytes_received.load() == 52);
  CHECK(sender.completed(12));
}

TEST_CASE_FIXTURE(Fixture, "an operation that notifies ends when its notification is queued") {
  const auto import = connect(1, 0, wire::kExportNotifies);
  forever(receiver, wire::kWakeOnArrival);
  const std::uint64_t ticket = sender.post_notify(import, 0, "n", 5);
  forever(sender);
  advance_to(receiver);  // the bytes are there
  CHECK_FALSE(sender.completed(ticket));
  CHECK(receiver.notifications_waiting() == 0);
  const Time arrived = engine.now();
  forever(receiver, wire::kWakeOnNotification);
  advance_to(receiver);
  CHECK(sender.completed(ticket));
  CHECK(receiver.notifications_waiting() == 1);
  CHECK(engine.now() >= arrived + 27 * kMicrosecond);
  CHECK(sender.channel().counters.notifications_sent.load() == 1);
}

// 512 are queued and one more waits.
struct FullQueue : Fixture {
  FullQueue() {
    import = connect(1, 0, wire::kExportNotifies);
    forever(receiver);
    for (std::uint32_t i = 0; i <= wire::kNotificationSlots; ++i) notify(i);
  }
  // Leaves the sender running.
  void notify(std::uint32_t number) {
    last = sender.post_notify(import, 0, "n", number);
    sender.park(100 * kMicrosecond);
    advance_to(sender);
  }
  void take(std::uint32_t expected) {
    const auto taken = receiver.take_notification();
    REQUIRE(taken.has_value());
    CHECK(taken->immediate == expected);
  }
  std::uint64_t post_word() {
    return sender.post(import, 64, std::as_bytes(std::span(std::string_view("word"))));
  }
  std::string_view word() { return {reinterpret_cast<char*>(receiver.memory()) + 64, 4}; }

  wire::ImportReply import;
  std::uint64_t last = 0;
};

TEST_CASE_FIXTURE(FullQueue, "a full queue holds the sender back until the receiver makes room") {
  CHECK_FALSE(sender.completed(last));
  CHECK(sender.completed(last - 1));
  CHECK(sender.channel().counters.notification_stalls.load() == 1);
  CHECK(receiver.notifications_waiting() == wire::kNotificationSlots);
  CHECK(engine.stalled_on(*sender.process) == receiver.process);
  CHECK(engine.stalled_on(*receiver.process) == nullptr);
  const std::uint64_t later = post_word();
  sender.park(kMicrosecond);
  advance_to(sender);  // the process itself goes on, its operations do not
  CHECK_FALSE(sender.completed(later));
  forever(sender, wire::kWakeOnCompletion);
  CHECK_FALSE(advance());
  CHECK(word() != "word");
  take(0);
  engine.rang(*receiver.process);
  advance_to(sender);
  CHECK(sender.completed(last));
  CHECK(engine.stalled_on(*sender.process) == nullptr);
  forever(sender);
  CHECK_FALSE(advance());
  CHECK(sender.completed(later));
  CHECK(word() == "word");
  for (std::uint32_t i = 1; i <= wire::kNotificationSlots; ++i) take(i);
}

TEST_CASE_FIXTURE(FullQueue, "a sender that waits for room goes on when the receiver ends") {
  engine.leaving(*receiver.process);
  machine.detach(*receiver.process);
  CHECK(engine.stalled_on(*sender.process) == nullptr);
  forever(sender);
  CHECK_FALSE(advance());
  CHECK(sender.completed(last));
  CHECK(sender.result(last) == wire::Status::kOk);
}

TEST_CASE_FIXTURE(FullQueue, "what is not accepted any more needs no room") {
  wire::AcceptNotificationsRequest request{};
  request.buffer_id = 1;
  request.accept = 0;
  CHECK(machine.accept_notifications(*receiver.process, request) == wire::Status::kOk);
  forever(sender);
  CHECK_FALSE(advance());
  CHECK(sender.completed(last));
  CHECK(receiver.notifications_waiting() == wire::kNotificationSlots);
  CHECK(receiver.channel().counters.notifications_discarded.load() == 1);
}

TEST_CASE_FIXTURE(FullQueue, "what waits for room is lost with its sender") {
  engine.leaving(*sender.process);
  machine.detach(*sender.process);
  for (std::uint32_t i = 0; i < wire::kNotificationSlots; ++i) take(i);
  engine.rang(*receiver.process);
  CHECK_FALSE(advance());
  CHECK(receiver.notifications_waiting() == 0);
}

TEST_CASE_FIXTURE(Fixture, "an interrupt delays who computes, and who is about to go on") {
  receiver.park(100 * kMicrosecond, wire::kComputes);
  sender.park(wire::kNoEnd);
  CHECK_FALSE(engine.anybody_runs());
  engine.interrupted(0, 7 * kMicrosecond);
  advance_to(receiver);
  CHECK(engine.now() == 107 * kMicrosecond);
  receiver.park(5 * kMicrosecond);
  CHECK_FALSE(engine.anybody_runs());
  engine.interrupted(0, 9 * kMicrosecond);
  engine.interrupted(1, 50 * kMicrosecond);  // another node's
  advance_to(receiver);
  CHECK(engine.now() == 116 * kMicrosecond);
}

// The time at which a sender goes on that has asked for one operation, interrupted while it began.
Time end_of_interrupted(wire::Operation operation) {
  Fixture fixture;
  const auto import = fixture.connect(1, 0);
  fixture.forever(fixture.receiver);
  wire::SendDescriptor& slot = fixture.sender.next_slot(import, 0);
  fixture.sender.publish(slot, wire::LocalPlace::kInline, 4, operation);
  fixture.sender.park(0);
  CHECK_FALSE(fixture.engine.anybody_runs());
  CHECK(fixture.engine.step());  // it begins
  fixture.engine.interrupted(1, 20 * Fixture::kMicrosecond);
  fixture.advance_to(fixture.sender);
  return fixture.sender.clock();
}

TEST_CASE("what an interrupt costs is counted once for a store, which waits for its end itself") {
  CHECK(end_of_interrupted(wire::Operation::kAutomaticUpdate) < 20 * Fixture::kMicrosecond);
  CHECK(end_of_interrupted(wire::Operation::kDeliberateUpdate) > 20 * Fixture::kMicrosecond);
}

TEST_CASE_FIXTURE(Fixture, "what a process has under way goes on without it") {
  const auto import = connect(1, 0);
  forever(receiver, wire::kWakeOnArrival);
  sender.post(import, 8, std::as_bytes(std::span(std::string_view("last"))));
  forever(sender, wire::kWakeOnCompletion);
  advance_to(sender);  // its bytes have left
  engine.leaving(*sender.process);
  machine.detach(*sender.process);
  advance_to(receiver);
  CHECK(std::string_view(reinterpret_cast<char*>(receiver.memory()) + 8, 4) == "last");
  CHECK(engine.processes() == 1);
}

TEST_CASE_FIXTURE(Fixture,
                  "who waits for an answer does not run, and what it asked for has its cost") {
  forever(sender);
  engine.waits_for_answer(*receiver.process, true);
  CHECK_FALSE(advance());
  engine.charge(*receiver.process, 40'000);
  engine.waits_for_answer(*receiver.process, false);
  CHECK(engine.anybody_runs());
  receiver.park(0);
  advance_to(receiver);
  CHECK(engine.now() == 40 * kMicrosecond);
}

}  // namespace
}  // namespace vmmc::nicsim::simulated
