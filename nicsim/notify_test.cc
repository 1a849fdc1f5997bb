// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a message that asks for a notification gives to its receiver.

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "nicsim/testing/engine_fixture.h"

using namespace vmmc;
using nicsim::testing::EngineFixture;
using wire::LocalPlace;
using wire::Operation;
using wire::Status;
using Served = nicsim::TransferEngine::Served;

namespace {

struct NotifyFixture : EngineFixture {
  wire::ImportReply import = connect(100, 1 << 20, 3, wire::kExportNotifies);

  static wire::LocalBytes with_immediate(wire::LocalBytes bytes, std::uint32_t immediate) {
    bytes.immediate = immediate;
    return bytes;
  }
  Status update(std::uint64_t offset, LocalPlace place, const wire::LocalBytes& bytes,
                Operation operation = Operation::kDeliberateUpdate) {
    return outcome(sender.post_operation(import, offset, operation, place, bytes, wire::kNotify));
  }
  void check_next(std::uint64_t offset, std::uint64_t length, std::uint32_t immediate) {
    const auto notification = receiver.take_notification();
    REQUIRE(notification.has_value());
    CHECK(notification->cookie == std::uint64_t{3} << 32);
    CHECK(notification->offset == offset);
    CHECK(notification->length == length);
    CHECK(notification->sender_node == 1);
    CHECK(notification->sender_process == sender.process->id);
    CHECK(notification->immediate == immediate);
    for (const std::uint32_t word : notification->reserved) CHECK(word == 0);
  }
  void check_none() { CHECK_FALSE(receiver.take_notification().has_value()); }
  Status accept(std::uint32_t buffer, std::uint32_t scope, std::uint32_t accepted) {
    return machine.accept_notifications(*receiver.process, {{}, buffer, scope, accepted, 0});
  }
};

}  // namespace

TEST_CASE_FIXTURE(NotifyFixture, "a notification names the message, its sender and its word") {
  CHECK(outcome(sender.post_notify(import, 8, "inline", 0x11223344)) == Status::kOk);
  check_next(8, 6, 0x11223344);
  CHECK(received(108, 6) == "inline");
  std::memcpy(sender.channel().staging + 50, "staged", 6);
  CHECK(update(20, LocalPlace::kStaged, with_immediate(sender.local(6, 50), 5)) == Status::kOk);
  check_next(20, 6, 5);
  CHECK(received(120, 6) == "staged");
  CHECK(update(5000, LocalPlace::kSegment, with_immediate(sender.local(9000, 0), 6)) ==
        Status::kOk);
  check_next(5000, 9000, 6);
  std::string text = "memory";
  CHECK(update(40, LocalPlace::kMemory, with_immediate(sender.memory_bytes(text.data(), 6), 7)) ==
        Status::kOk);
  check_next(40, 6, 7);
  CHECK(received(140, 6) == "memory");
  CHECK(update((1 << 20) - 1, LocalPlace::kStaged, with_immediate(sender.local(1, 0), 0)) ==
        Status::kOk);
  check_next((1 << 20) - 1, 1, 0);
  check_none();
  CHECK(sender.channel().counters.notifications_sent.load() == 5);
  CHECK(receiver.channel().counters.notifications_received.load() == 5);
}

TEST_CASE_FIXTURE(NotifyFixture, "an automatic update notifies in the same way") {
  CHECK(update(12, LocalPlace::kSegment, with_immediate(sender.local(8, 0), 9),
               Operation::kAutomaticUpdate) == Status::kOk);
  check_next(12, 8, 9);
  CHECK(sender.channel().counters.automatic_updates.load() == 1);
  CHECK(sender.channel().counters.transfers_sent.load() == 1);
}

TEST_CASE_FIXTURE(NotifyFixture,
                  "a message in several descriptors gives one notification, of all of it") {
  sender.post_operation(import, 1000, Operation::kDeliberateUpdate, LocalPlace::kSegment,
                        sender.local(300, 0));
  sender.post_operation(import, 1300, Operation::kDeliberateUpdate, LocalPlace::kSegment,
                        sender.local(200, 4096));
  auto last = with_immediate(sender.local(50, 0), 4);
  last.message_length = 550;
  CHECK(update(1500, LocalPlace::kSegment, last) == Status::kOk);
  check_next(1000, 550, 4);
  check_none();
}

TEST_CASE_FIXTURE(NotifyFixture, "a message length that cannot be") {
  auto bytes = with_immediate(sender.local(50, 0), 4);
  for (const std::uint64_t less : {0, 49}) {
    bytes.message_length = less;
    CHECK(update(1500, LocalPlace::kSegment, bytes) == Status::kMalformed);
  }
  check_none();
  for (const std::uint64_t more : {std::uint64_t{1551}, UINT64_MAX}) {
    bytes.message_length = more;  // would have begun before the buffer
    CHECK(update(1500, LocalPlace::kSegment, bytes) == Status::kOk);
    check_next(0, 1550, 4);
  }
  bytes.message_length = 0;  // without a notification nobody looks at it
  CHECK(outcome(sender.post_operation(import, 0, Operation::kDeliberateUpdate, LocalPlace::kSegment,
                                      bytes)) == Status::kOk);
}

TEST_CASE_FIXTURE(NotifyFixture, "inline bytes end before the immediate word") {
  const std::string most(wire::kInlineBytesWithNotify, 'm');
  CHECK(outcome(sender.post_notify(import, 0, most, 8)) == Status::kOk);
  check_next(0, wire::kInlineBytesWithNotify, 8);
  CHECK(received(100, 37) == most + std::string(1, '\0'));
  const auto inline_of = [&](std::uint8_t length, std::uint8_t flags) {
    return outcome(sender.publish(sender.next_slot(import, 0), LocalPlace::kInline, length,
                                  Operation::kDeliberateUpdate, flags));
  };
  CHECK(inline_of(wire::kInlineBytesWithNotify + 1, wire::kNotify) == Status::kMalformed);
  CHECK(inline_of(0, wire::kNotify) == Status::kMalformed);
  CHECK(inline_of(wire::kInlineBytes, 0) == Status::kOk);
  CHECK(inline_of(wire::kInlineBytes + 1, 0) == Status::kMalformed);
  for (const std::uint8_t flags : {2, 3, 0x80, 0xff}) {
    CHECK(inline_of(8, flags) == Status::kMalformed);
  }
  check_none();
}

TEST_CASE_FIXTURE(NotifyFixture, "without a handler, or without asking, there is no notification") {
  const auto silent = connect(2 << 20, 4096, 4);
  CHECK(outcome(sender.post_notify(silent, 0, "bytes", 8)) == Status::kOk);
  CHECK(received(2 << 20, 5) == "bytes");
  CHECK(send(import, 0, "unasked") == Status::kOk);
  check_none();
  CHECK(sender.channel().counters.notifications_sent.load() == 0);
  CHECK(receiver.channel().counters.notifications_discarded.load() == 0);
}

TEST_CASE_FIXTURE(NotifyFixture, "a message that is refused notifies nobody") {
  CHECK(outcome(sender.post_notify(import, (1 << 20) - 3, "past", 8)) == Status::kOutsideProxy);
  CHECK(update(0, LocalPlace::kMemory, sender.local(8, 16)) == Status::kBadSource);
  check_none();
}

TEST_CASE_FIXTURE(NotifyFixture, "notifications are accepted or not, by buffer and by process") {
  const auto send_one = [&](std::uint32_t immediate) {
    CHECK(outcome(sender.post_notify(import, 0, "n", immediate)) == Status::kOk);
  };
  const auto& discarded = receiver.channel().counters.notifications_discarded;
  CHECK(accept(3, 0, 0) == Status::kOk);
  send_one(1);
  check_none();
  CHECK(discarded.load() == 1);
  CHECK(accept(0, wire::kAllBuffers, 0) == Status::kOk);
  CHECK(accept(3, 0, 1) == Status::kOk);
  send_one(2);  // of the process they are still not accepted
  CHECK(discarded.load() == 2);
  CHECK(accept(0, wire::kAllBuffers, 1) == Status::kOk);
  send_one(3);
  check_next(0, 1, 3);
  check_none();
  CHECK(accept(77, 0, 0) == Status::kUnknownExport);
  CHECK(accept(3, 2, 0) == Status::kMalformed);
  CHECK(accept(3, 0, 2) == Status::kMalformed);
  send_one(4);
  check_next(0, 1, 4);
  CHECK(sender.channel().counters.notifications_sent.load() == 2);
}

TEST_CASE_FIXTURE(NotifyFixture, "a buffer exported while nothing is accepted notifies later") {
  CHECK(accept(0, wire::kAllBuffers, 0) == Status::kOk);
  const auto later = connect(2 << 20, 4096, 4, wire::kExportNotifies);
  CHECK(outcome(sender.post_notify(later, 0, "n", 1)) == Status::kOk);
  check_none();
  CHECK(accept(0, wire::kAllBuffers, 1) == Status::kOk);
  CHECK(outcome(sender.post_notify(later, 0, "n", 2)) == Status::kOk);
  const auto notification = receiver.take_notification();
  REQUIRE(notification.has_value());
  CHECK(notification->cookie == std::uint64_t{4} << 32);
  CHECK(notification->immediate == 2);
}

TEST_CASE_FIXTURE(
    NotifyFixture,
    "what is queued stays when no more is accepted, and a later buffer is not either") {
  CHECK(outcome(sender.post_notify(import, 0, "n", 1)) == Status::kOk);
  CHECK(accept(3, wire::kAllBuffers, 0) == Status::kOk);
  const auto later = connect(2 << 20, 4096, 4, wire::kExportNotifies);
  CHECK(outcome(sender.post_notify(later, 0, "n", 2)) == Status::kOk);
  check_next(0, 1, 1);
  check_none();
}

TEST_CASE_FIXTURE(NotifyFixture, "a long message notifies once, when its last piece is there") {
  const auto ticket =
      sender.post_operation(import, 0, Operation::kDeliberateUpdate, LocalPlace::kSegment,
                            with_immediate(sender.local(1 << 20, 0), 8), wire::kNotify);
  CHECK(engine.serve(*sender.process) == Served::kWorked);
  check_none();
  CHECK(outcome(ticket) == Status::kOk);
  check_next(0, 1 << 20, 8);
  check_none();
}

TEST_CASE_FIXTURE(NotifyFixture, "a stalled message has arrived, and its notification comes once") {
  for (std::uint32_t i = 0; i < wire::kNotificationSlots; ++i) {
    CHECK(outcome(sender.post_notify(import, 0, "n", i)) == Status::kOk);
  }
  receiver.channel().wake_request.armed = wire::kWakeOnArrival;
  const auto ticket = sender.post_notify(import, 0, "stalled", 1000);
  CHECK(serve() == Served::kStalled);
  CHECK(sender.process->stalled_on == receiver.process);
  CHECK_FALSE(sender.completed(ticket));
  CHECK(received(100, 7) == "stalled");
  CHECK(receiver.channel().arrivals.count.load() == 1);
  const auto received_bytes = receiver.channel().counters.bytes_received.load();
  CHECK(serve() == Served::kStalled);  // looked at again for nothing
  for (std::uint32_t i = 0; i < wire::kNotificationSlots; ++i) check_next(0, 1, i);
  CHECK(outcome(ticket) == Status::kOk);
  check_next(0, 7, 1000);
  check_none();
  CHECK(receiver.channel().counters.bytes_received.load() == received_bytes);
}

TEST_CASE_FIXTURE(NotifyFixture, "what is kept for an unexport is bounded; what is more is lost") {
  constexpr auto kMost =
      static_cast<std::uint32_t>(wire::kNotificationSlots + nicsim::NotificationPort::kMaxKept);
  sender.process->awaited = 1;
  for (std::uint32_t i = 0; i < kMost; ++i) {
    REQUIRE(outcome(sender.post_notify(import, 0, "n", i)) == Status::kOk);
  }
  CHECK(receiver.channel().counters.notifications_discarded.load() == 0);
  CHECK(outcome(sender.post_notify(import, 0, "lost", 0)) == Status::kOk);
  CHECK(received(100, 4) == "lost");
  CHECK(receiver.channel().counters.notifications_discarded.load() == 1);
  CHECK(sender.channel().counters.notifications_sent.load() == kMost);
  for (std::uint32_t i = 0; i < kMost; ++i) {
    const auto notification = receiver.take_notification();
    REQUIRE(notification.has_value());
    REQUIRE(notification->immediate == i);
    if (receiver.must_ring_for_room()) receiver.process->notifications.refill();
  }
  check_none();
}
