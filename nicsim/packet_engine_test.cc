// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The transfer engine while the instruments look at it: trace, faults, pace, errors, latencies.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include "nicsim/testing/engine_fixture.h"
#include "nicsim/testing/trace_reader.h"

using namespace vmmc;
using namespace std::chrono_literals;
using nicsim::FaultPlan;
using nicsim::TransferEngine;
using nicsim::testing::events_of;
using nicsim::testing::operations_of;
using nicsim::testing::records_of;
using wire::Status;
using enum wire::TraceEvent;
using Events = std::vector<wire::TraceEvent>;
using Action = FaultPlan::Action;

namespace {

constexpr std::uint64_t kPage = wire::kPageSize;

struct PacketFixture : nicsim::testing::EngineFixture {
  nicsim::Instruments& instruments = machine.instruments();
  nicsim::Trace& trace = instruments.trace;

  void start() { REQUIRE(trace.start(8192) == 0); }
  // Bytes of the sender's segment.
  std::uint64_t post_bytes(const wire::ImportReply& import, std::uint64_t offset,
                           std::uint64_t length,
                           wire::Operation operation = wire::Operation::kDeliberateUpdate,
                           std::uint8_t flags = 0) {
    for (std::uint64_t i = 0; i < length; ++i) {
      sender.memory()[i] = static_cast<std::byte>(i / kPage * 16 + i % 13 + 1);
    }
    return sender.post_operation(import, offset, operation, wire::LocalPlace::kSegment,
                                 sender.local(length, 0), flags);
  }
  bool has_come(std::uint64_t from, std::uint64_t to, std::uint64_t offset) {
    return std::memcmp(receiver.memory() + from, sender.memory() + (from - offset), to - from) == 0;
  }
};

}  // namespace

TEST_CASE_FIXTURE(PacketFixture, "each step of a deliberate update is a record, page by page") {
  const auto import = connect(100, 3 * kPage, 7);
  start();
  CHECK(outcome(post_bytes(import, 20, kPage + 500)) == Status::kOk);
  const Events packet{kOutgoingLookup, kPacketMade, kPacketSent, kIncomingLookup, kMemoryWritten};
  Events expected{kTaken};
  for (int i = 0; i < 2; ++i) expected.insert(expected.end(), packet.begin(), packet.end());
  expected.push_back(kCompleted);
  CHECK(events_of(trace) == expected);
  CHECK(operations_of(trace).size() == 1);
  std::uint64_t last = 0;
  for (const auto* record : records_of(trace)) {
    CHECK(record->time >= last);
    last = record->time;
    CHECK(record->kind == 1);
    CHECK(record->buffer == 7);
    CHECK(record->status == 0);
    const bool there = record->event == kIncomingLookup || record->event == kMemoryWritten;
    CHECK(record->node == (there ? 0 : 1));
    CHECK(record->process == (there ? receiver : sender).process->id);
    CHECK(record->peer_process == (there ? sender : receiver).process->id);
  }
  const auto* const taken = records_of(trace, kTaken)[0];
  CHECK(taken->length == kPage + 500);
  CHECK(taken->offset == 20);
  const auto made = records_of(trace, kPacketMade);
  const std::uint64_t first = kPage - 120;  // to the end of the receiver's page
  CHECK((made[0]->packet == 0 && made[0]->offset == 20 && made[0]->length == first));
  CHECK((made[1]->packet == 1 && made[1]->offset == 20 + first && made[1]->length == 620));
  CHECK((made[0]->flags == 0 && made[1]->flags == wire::kTraceLastPacket));
  CHECK(std::memcmp(made[1]->content, sender.memory() + first, wire::kTraceContentBytes) == 0);
  const auto looked_up = records_of(trace, kOutgoingLookup);
  CHECK(looked_up[1]->page == looked_up[0]->page + 1);
  const auto there = records_of(trace, kIncomingLookup);
  CHECK(there[0]->page == looked_up[0]->value);
  CHECK(there[1]->page == looked_up[1]->value);
  const auto written = records_of(trace, kMemoryWritten);
  CHECK(written[0]->duration > 0);
  CHECK(std::memcmp(written[0]->content, sender.memory(), wire::kTraceContentBytes) == 0);
  CHECK(records_of(trace, kCompleted)[0]->value >= written[0]->duration);
  CHECK(has_come(120, 120 + kPage + 500, 120));
}

TEST_CASE_FIXTURE(PacketFixture, "fetches and atomic operations are traced, too") {
  const auto import = connect(0, kPage);
  std::memcpy(receiver.memory(), "remote text", 11);
  start();
  CHECK(outcome(sender.post_operation(import, 0, wire::Operation::kFetch,
                                      wire::LocalPlace::kSegment, sender.local(11, 64))) ==
        Status::kOk);
  CHECK(std::memcmp(sender.memory() + 64, "remote text", 11) == 0);
  const auto* const fetched = records_of(trace, kMemoryWritten)[0];
  CHECK(fetched->node == 1);  // the memory of who asked for it
  CHECK(fetched->content_bytes == 11);
  CHECK(std::memcmp(fetched->content, "remote text", 11) == 0);
  wire::AtomicOperands add{};
  add.kind = wire::AtomicKind::kFetchAdd;
  add.width = 8;
  add.operand = 1;
  CHECK(outcome(sender.post_atomic(import, 16, add)) == Status::kOk);
  const auto* const changed = records_of(trace, kMemoryWritten)[1];
  CHECK(changed->node == 0);
  CHECK(changed->content[0] == std::byte{1});
  CHECK(operations_of(trace).size() == 2);
  CHECK(records_of(trace, kCompleted).size() == 2);
}

TEST_CASE_FIXTURE(PacketFixture, "what is refused says where, and is in the error log") {
  const auto import = connect(0, 2 * kPage, 3);
  const auto& errors = instruments.errors.entries();
  SUBCASE("before it leaves") {
    start();
    CHECK(outcome(post_bytes(import, kPage, kPage + 4)) == Status::kOutsideProxy);
    CHECK(events_of(trace) == Events{kTaken, kRefused});
    CHECK(records_of(trace, kRefused)[0]->status == static_cast<int>(Status::kOutsideProxy));
    CHECK(errors.begin()->first.status == Status::kOutsideProxy);
  }
  SUBCASE("at the receiver") {
    start();
    REQUIRE_FALSE(machine.unexport(*receiver.process, {{}, 3, 0}).has_value());
    CHECK(outcome(post_bytes(import, 0, 4)) == Status::kUnexported);
    CHECK(events_of(trace) == Events{kUnexported, kTaken, kOutgoingLookup, kPacketMade, kPacketSent,
                                     kIncomingLookup, kCompleted});
    for (const auto event : {kIncomingLookup, kCompleted}) {
      CHECK(records_of(trace, event)[0]->status == static_cast<int>(Status::kUnexported));
    }
    CHECK(errors.begin()->first.status == Status::kUnexported);
  }
  SUBCASE("without a trace") {
    for (int i = 0; i < 3; ++i) {
      CHECK(outcome(post_bytes(import, kPage, kPage + 4)) == Status::kOutsideProxy);
    }
    CHECK(errors.begin()->second.count == 3);
    CHECK(errors.begin()->first.peer_process == receiver.process->id);
    CHECK(errors.begin()->first.buffer == 3);
    CHECK(trace.written() == 0);
  }
  REQUIRE(errors.size() == 1);
  CHECK(errors.begin()->first.what == "deliberate update");
  CHECK(errors.begin()->first.node == 1);
  CHECK(errors.begin()->first.process == sender.process->id);
}

TEST_CASE_FIXTURE(PacketFixture, "a descriptor that makes no sense is refused and noted") {
  const auto import = connect(0, kPage);
  start();
  wire::SendDescriptor& slot = sender.next_slot(import, 0);
  const std::uint64_t ticket =
      sender.publish(slot, wire::LocalPlace::kInline, 4, static_cast<wire::Operation>(77));
  CHECK(outcome(ticket) == Status::kMalformed);
  CHECK(events_of(trace) == Events{kTaken, kRefused});
  CHECK(instruments.errors.entries().begin()->first.what == "descriptor");
}

TEST_CASE_FIXTURE(PacketFixture, "a notification, and one that has no room") {
  const auto import = connect(0, kPage, 1, wire::kExportNotifies);
  start();
  for (std::uint32_t i = 0; i < wire::kNotificationSlots; ++i) {
    CHECK(outcome(sender.post_notify(import, 8, "n", i)) == Status::kOk);
  }
  sender.post_notify(import, 8, "n", 0);
  CHECK(engine.serve(*sender.process) == TransferEngine::Served::kStalled);
  const auto notified = records_of(trace, kNotified);
  REQUIRE(notified.size() > 1);
  CHECK(notified.back()->value == wire::kNotificationSlots);
  CHECK(notified.back()->node == 0);
  CHECK(notified.back()->offset == 8);
  CHECK((notified.back()->flags & wire::kTraceNotifies) != 0);
  const auto stalled = records_of(trace, kNotificationStall);
  REQUIRE(stalled.size() == 1);
  CHECK(stalled[0]->node == 1);
  CHECK(receiver.take_notification().has_value());
  sender.process->stalled_on = nullptr;
  CHECK(serve() == TransferEngine::Served::kNothing);
  CHECK(records_of(trace, kNotified).back()->operation == stalled[0]->operation);
  CHECK(events_of(trace).back() == kCompleted);
}

TEST_CASE_FIXTURE(PacketFixture, "a trace that begins or ends in the middle of a transfer") {
  const auto import = connect(0, 600 * kPage);
  const std::uint64_t ticket = post_bytes(import, 0, 600 * kPage);
  SUBCASE("begins") {
    CHECK(engine.serve(*sender.process) == TransferEngine::Served::kWorked);
    CHECK_FALSE(sender.completed(ticket));
    start();
    CHECK(outcome(ticket) == Status::kOk);
    CHECK(trace.written() == 0);  // of an operation that it has not seen begin
    CHECK(send(import, 0, "next") == Status::kOk);
    CHECK(events_of(trace).front() == kTaken);
  }
  SUBCASE("ends") {
    start();
    CHECK(engine.serve(*sender.process) == TransferEngine::Served::kWorked);
    CHECK_FALSE(sender.completed(ticket));
    CHECK(machine.stop_trace() == Status::kOk);
    const std::uint64_t written = trace.written();
    CHECK(outcome(ticket) == Status::kOk);
    CHECK(trace.written() == written);
  }
  CHECK(sender.channel().counters.packets_sent.load() >= 600);
}

TEST_CASE_FIXTURE(PacketFixture, "an operation belongs to the trace that has seen it begin") {
  enum class End { kGood, kFailure, kDelay } end = End::kGood;
  bool traced = false;
  SUBCASE("identified without a trace, ends well") {}
  SUBCASE("identified without a trace, fails") { end = End::kFailure; }
  SUBCASE("identified without a trace, delayed") { end = End::kDelay; }
  SUBCASE("taken in an earlier trace, ends well") { traced = true; }
  SUBCASE("taken in an earlier trace, fails") { traced = true, end = End::kFailure; }
  SUBCASE("taken in an earlier trace, delayed") { traced = true, end = End::kDelay; }

  const auto import = connect(0, 2 * kPage);
  instruments.pace.pause();
  if (traced) {
    start();
    std::this_thread::sleep_for(20ms);  // which a later one's times do not contain
  }
  const std::uint64_t ticket = post_bytes(import, 0, 2 * kPage);
  instruments.pace.step();
  CHECK(serve() == TransferEngine::Served::kHeld);
  if (traced) CHECK(machine.stop_trace() == Status::kOk);
  start();
  std::uint64_t expected = trace.written();  // what there is when it begins
  if (end == End::kFailure) {
    wire::UnimportRequest request{};
    request.import_slot = import.import_slot;
    request.import_generation = import.import_generation;
    CHECK(machine.unimport(*sender.process, request) == Status::kOk);
    expected = trace.written() + 1;
  }
  if (end == End::kDelay) CHECK(instruments.faults.add({.action = Action::kDelay}));
  instruments.pace.full();
  CHECK(outcome(ticket) == (end == End::kFailure ? Status::kUnknownImport : Status::kOk));
  CHECK(trace.written() == expected);
  if (end == End::kFailure) CHECK(records_of(trace, kCompleted)[0]->value == 0);  // nobody knows

  CHECK(send(connect(4 * kPage, kPage, 2), 0, "next") == Status::kOk);
  REQUIRE(records_of(trace, kTaken).size() == 1);
  const auto& last = *records_of(trace, kCompleted).back();
  CHECK(last.value == last.time - records_of(trace, kTaken)[0]->time);
}

TEST_CASE_FIXTURE(PacketFixture,
                  "packets that are lost: the transfer goes on without their bytes") {
  const auto import = connect(0, 3 * kPage);
  for (const bool traced : {false, true}) {
    for (const Action action : {Action::kDrop, Action::kCorrupt}) {
      if (traced) start();
      std::memset(receiver.memory(), 0, 3 * kPage);
      const auto packets = sender.channel().counters.packets_sent.load();
      const auto bytes = receiver.channel().counters.bytes_received.load();
      const auto transfers = receiver.channel().counters.transfers_received.load();
      CHECK(instruments.faults.add({.action = action, .from = 1, .to = 0, .skip = 1}));
      CHECK(outcome(post_bytes(import, 0, 3 * kPage)) == Status::kOk);
      CHECK(has_come(0, kPage, 0));
      CHECK(receiver.memory()[kPage] == std::byte{0});
      CHECK(receiver.memory()[2 * kPage - 1] == std::byte{0});
      CHECK(has_come(2 * kPage, 3 * kPage, 0));
      CHECK(instruments.faults.empty());
      CHECK(sender.channel().counters.packets_sent.load() == packets + 3);
      CHECK(receiver.channel().counters.bytes_received.load() == bytes + 2 * kPage);
      CHECK(receiver.channel().counters.transfers_received.load() == transfers + 1);
      if (!traced) continue;
      const auto event = action == Action::kDrop ? kPacketDropped : kPacketCorrupted;
      const auto struck = records_of(trace, event);
      REQUIRE(struck.size() == 1);
      CHECK((struck[0]->packet == 1 && struck[0]->node == 0 && struck[0]->peer == 1));
      CHECK(struck[0]->content[0] == sender.memory()[kPage]);
      CHECK(records_of(trace, kMemoryWritten).size() == 2);
      CHECK(machine.stop_trace() == Status::kOk);
    }
  }
  const auto& errors = instruments.errors.entries();
  REQUIRE(errors.size() == 1);
  CHECK(errors.begin()->first.what == "packet");
  CHECK(errors.begin()->first.node == 0);
  CHECK(errors.begin()->first.peer_node == 1);
  CHECK(errors.begin()->second.count == 2);
  CHECK(instruments.faults.counters().dropped == 2);
  CHECK(instruments.faults.counters().corrupted == 2);
}

TEST_CASE_FIXTURE(PacketFixture, "a notification is lost with the last packet, and with no other") {
  const auto import = connect(0, 2 * kPage, 1, wire::kExportNotifies);
  const auto notifies = [&](std::uint32_t skip) {
    CHECK(instruments.faults.add({.action = Action::kDrop, .skip = skip}));
    const auto ticket =
        post_bytes(import, 0, 2 * kPage, wire::Operation::kDeliberateUpdate, wire::kNotify);
    CHECK(outcome(ticket) == Status::kOk);
    return receiver.take_notification().has_value();
  };
  CHECK(notifies(0));
  CHECK_FALSE(notifies(1));
  CHECK(sender.post_notify(import, 0, "n", 1) > 0);  // the next one is not struck
  CHECK(serve() == TransferEngine::Served::kNothing);
  CHECK(receiver.take_notification().has_value());
}

TEST_CASE_FIXTURE(PacketFixture, "a delayed packet holds everything, and arrives") {
  const auto import = connect(0, 2 * kPage);
  start();
  CHECK(instruments.faults.add({.action = Action::kDelay, .skip = 1, .delay = 20'000'000}));
  const std::uint64_t ticket = post_bytes(import, 0, 2 * kPage);
  const auto before = std::chrono::steady_clock::now();
  CHECK(engine.serve(*sender.process) == TransferEngine::Served::kWorked);
  while (!sender.completed(ticket)) {
    (void)engine.serve(*sender.process);
    std::this_thread::sleep_for(1ms);
  }
  CHECK(std::chrono::steady_clock::now() - before >= 20ms);
  CHECK(sender.result(ticket) == Status::kOk);
  CHECK(has_come(0, 2 * kPage, 0));
  CHECK(records_of(trace, kPacketDelayed).size() == 1);
  CHECK(records_of(trace, kPacketDelayed)[0]->value == 20'000'000'000);
  CHECK(records_of(trace, kPacketMade).size() == 2);  // each once
  CHECK(records_of(trace, kMemoryWritten).size() == 2);
  CHECK(instruments.pace.is_full());
}

TEST_CASE_FIXTURE(PacketFixture, "while it is paused what is refused uses up no step") {
  const auto import = connect(0, kPage);
  auto stale = import;
  ++stale.import_generation;
  instruments.pace.pause();
  const std::uint64_t refused = post_bytes(stale, 0, 8);
  const std::uint64_t outside = post_bytes(import, kPage, 8);
  const std::uint64_t good = post_bytes(import, 0, 8);
  const std::uint64_t next = post_bytes(import, 8, 8);
  CHECK(engine.serve(*sender.process) == TransferEngine::Served::kHeld);
  CHECK_FALSE(sender.completed(refused));
  instruments.pace.step();
  CHECK(engine.serve(*sender.process) == TransferEngine::Served::kWorked);
  CHECK(sender.result(refused) == Status::kUnknownImport);
  CHECK(sender.result(outside) == Status::kOutsideProxy);
  CHECK(sender.result(good) == Status::kOk);
  CHECK_FALSE(sender.completed(next));
  CHECK(engine.serve(*sender.process) == TransferEngine::Served::kHeld);
}

TEST_CASE_FIXTURE(PacketFixture, "while it is paused nothing moves but what is stepped") {
  const auto import = connect(0, 2 * kPage);
  instruments.pace.pause();
  const std::uint64_t ticket = post_bytes(import, 0, 2 * kPage);
  CHECK(engine.serve(*sender.process) == TransferEngine::Served::kHeld);
  instruments.pace.step();
  SUBCASE("one packet each") {}
  SUBCASE("a packet that is delayed has not passed yet") {
    CHECK(instruments.faults.add({.action = Action::kDelay, .delay = 300'000'000}));
    CHECK(engine.serve(*sender.process) == TransferEngine::Served::kWorked);
    CHECK(receiver.memory()[0] == std::byte{0});
    std::this_thread::sleep_until(instruments.pace.ask_again());
  }
  CHECK(engine.serve(*sender.process) == TransferEngine::Served::kWorked);
  CHECK(has_come(0, kPage, 0));
  CHECK(receiver.memory()[kPage] == std::byte{0});
  CHECK(engine.serve(*sender.process) == TransferEngine::Served::kHeld);
  instruments.pace.full();
  CHECK(outcome(ticket) == Status::kOk);
  CHECK(has_come(0, 2 * kPage, 0));
}

TEST_CASE_FIXTURE(PacketFixture, "a step is for a packet: what moves none uses none up") {
  const auto import = connect(0, kPage);
  instruments.pace.pause();
  const std::uint64_t refused = post_bytes(import, kPage, 4);
  wire::SendDescriptor& slot = sender.next_slot(import, 0);
  slot.mark = {};
  slot.mark.kind = wire::MarkKind::kWork;
  const std::uint64_t mark =
      sender.publish(slot, wire::LocalPlace::kInline, 0, wire::Operation::kMark);
  const std::uint64_t first = post_bytes(import, 0, 4);
  const std::uint64_t second = post_bytes(import, 0, 4);
  CHECK(engine.serve(*sender.process) == TransferEngine::Served::kHeld);
  CHECK_FALSE(sender.completed(refused));
  instruments.pace.step();
  instruments.pace.step();  // nothing has moved since the last one
  CHECK(serve() == TransferEngine::Served::kHeld);
  CHECK(sender.result(refused) == Status::kOutsideProxy);
  CHECK(sender.result(mark) == Status::kOk);
  CHECK(sender.completed(first));
  CHECK_FALSE(sender.completed(second));
}

// It writes other words over the header of its next descriptor, again and again.
TEST_CASE_FIXTURE(PacketFixture, "what is carried out is what was seen to be published") {
  const auto import = connect(0, kPage);
  instruments.pace.slow(0ns, 1);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> ticket{0};
  const auto write_over = [&] {
    while (!stop) {
      const std::uint64_t mine = ticket;
      std::atomic<std::uint64_t>& header =
          sender.channel().send_queue[mine % wire::kSendSlots].header;
      // Of a later ticket, and of an operation that there is not.
      header = wire::make_header(mine + 1, wire::LocalPlace::kInline,
                                 static_cast<wire::Operation>(77), 0, 4);
      header = wire::make_header(mine, wire::LocalPlace::kInline,
                                 wire::Operation::kDeliberateUpdate, 0, 4);
    }
  };
  for (std::uint64_t i = 0; i < wire::kSendSlots; ++i) {
    wire::SendDescriptor& slot = sender.channel().send_queue[i];
    slot.import_slot = import.import_slot;
    slot.import_generation = import.import_generation;
    slot.destination = import.destination;
  }
  std::thread hostile(write_over);
  const auto end = std::chrono::steady_clock::now() + 2s;
  std::uint64_t refused = 0;
  // It may come late to its work.
  while (std::chrono::steady_clock::now() < end || ticket <= 100) {
    if (engine.serve(*sender.process) != TransferEngine::Served::kWorked) continue;
    const std::uint64_t completed = sender.channel().send_status.completed.load();
    for (std::uint64_t done = ticket; done < completed; ++done) {
      if (sender.result(done) != Status::kOk) ++refused;
    }
    ticket = completed;
  }
  stop = true;
  hostile.join();
  CHECK(ticket > 100);
  CHECK(refused == 0);
}

TEST_CASE_FIXTURE(PacketFixture, "programs that repeat themselves are measured evenly") {
  const auto import = connect(0, kPage);
  constexpr int kRounds = 4 * static_cast<int>(nicsim::OperationLatencies::kSample);
  for (int i = 0; i < kRounds; ++i) {
    CHECK(send(import, 0, "data") == Status::kOk);
    CHECK(outcome(sender.post_operation(import, 0, wire::Operation::kFetch,
                                        wire::LocalPlace::kSegment, sender.local(4, 0))) ==
          Status::kOk);
  }
  CHECK(instruments.latencies.of(wire::Operation::kDeliberateUpdate).count() == 4);
  CHECK(instruments.latencies.of(wire::Operation::kFetch).count() == 4);
}

TEST_CASE_FIXTURE(PacketFixture, "one in so many operations is measured, and all while traced") {
  const auto import = connect(0, kPage);
  const auto& latencies = instruments.latencies.of(wire::Operation::kDeliberateUpdate);
  for (std::uint32_t i = 0; i < 2 * nicsim::OperationLatencies::kSample; ++i) {
    CHECK(send(import, 0, "text") == Status::kOk);
  }
  CHECK(latencies.count() == 2);
  start();
  for (int i = 0; i < 10; ++i) CHECK(send(import, 0, "text") == Status::kOk);
  CHECK(latencies.count() == 12);
  CHECK(outcome(post_bytes(import, kPage - 4, 8)) != Status::kOk);
  CHECK(latencies.count() == 12);
}
