// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the instruments see in simulated time, and what the fault plan does there.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "nicsim/simulated/simulated_engine.h"
#include "nicsim/testing/simulated_fixture.h"
#include "nicsim/testing/trace_reader.h"

namespace vmmc::nicsim::simulated {
namespace {

using parts::testing::test_model;
using testing::operations_of;
using testing::Records;
using testing::records_of;
using testing::SimulatedClient;
using wire::Status;
using enum wire::TraceEvent;
using Action = FaultPlan::Action;

constexpr std::uint64_t kPage = wire::kPageSize;

struct TraceFixture : testing::SimulatedFixture {
  TraceFixture() {
    engine.attached(*receiver.process);
    engine.attached(*sender.process);
  }
  Instruments& instruments = machine.instruments();
  Trace& trace = instruments.trace;
  SimulatedEngine engine{test_model(), {2, 2}, machine};
  SimulatedClient receiver{machine, 0};
  SimulatedClient sender{machine, 3};

  void start() { REQUIRE(machine.instruments().trace.start(Trace::kDefaultRecords) == 0); }
  wire::ImportReply connect(std::uint32_t id, std::uint64_t length, std::uint32_t flags = 0) {
    auto request = receiver.export_request(id, 0, length);
    request.flags = flags;
    REQUIRE(machine.export_buffer(*receiver.process, request) == Status::kOk);
    const auto both = wire::kAccessRead | wire::kAccessWrite;
    return machine.import(*sender.process, sender.import_request(receiver, id, both))->reply;
  }
  // Both park; until nothing is left to be done.
  void run() {
    receiver.park(wire::kNoEnd);
    sender.park(wire::kNoEnd);
    while (!engine.anybody_runs() && engine.step()) {
    }
  }
  std::uint64_t post_bytes(const wire::ImportReply& import, std::uint64_t offset,
                           std::uint64_t length,
                           wire::Operation operation = wire::Operation::kDeliberateUpdate) {
    for (std::uint64_t i = 0; i < length; ++i) sender.memory()[i] = static_cast<std::byte>(i % 251);
    return sender.post_operation(import, offset, operation, wire::LocalPlace::kSegment,
                                 sender.local(length, 0));
  }
  std::uint64_t store(const wire::ImportReply& import, std::uint64_t offset, std::uint8_t flags) {
    wire::SendDescriptor& slot = sender.next_slot(import, offset);
    std::memset(slot.inline_data, 0x5a, 4);
    return sender.publish(slot, wire::LocalPlace::kInline, 4, wire::Operation::kAutomaticUpdate,
                          flags);
  }
  void check_slices() const {
    std::map<std::pair<int, int>, std::vector<std::pair<std::uint64_t, std::uint64_t>>> tracks;
    for (const auto* record : records_of(trace)) {
      if (record->duration == 0) continue;
      tracks[{record->node, static_cast<int>(record->engine)}].emplace_back(
          record->time, record->time + record->duration);
    }
    CHECK_FALSE(tracks.empty());
    for (auto& entry : tracks) {
      auto& slices = entry.second;
      std::ranges::sort(slices);
      for (std::size_t i = 1; i < slices.size(); ++i) {
        CAPTURE(entry.first.first);
        CAPTURE(entry.first.second);
        CHECK(slices[i - 1].second <= slices[i].first);
      }
    }
  }
};

TEST_CASE_FIXTURE(TraceFixture, "a deliberate update goes through every part, at its time") {
  const auto import = connect(1, 2 * kPage);
  start();
  const auto ticket = post_bytes(import, 100, kPage);
  run();
  REQUIRE(sender.result(ticket) == Status::kOk);
  REQUIRE(operations_of(trace).size() == 1);
  const auto packets = records_of(trace, kPacketMade).size();
  CHECK(packets >= 2);
  for (const auto event : {kOutgoingLookup, kSourceRead, kPacketSent, kPacketCrossed,
                           kIncomingLookup, kMemoryWritten}) {
    CAPTURE(static_cast<int>(event));
    CHECK(records_of(trace, event).size() == packets);
  }
  // Of each packet, in this order.
  for (std::uint32_t n = 0; n < packets; ++n) {
    std::uint64_t last = 0;
    std::uint64_t length = 0;
    for (const auto event : {kSourceRead, kOutgoingLookup, kPacketMade, kPacketSent, kPacketCrossed,
                             kIncomingLookup, kMemoryWritten}) {
      const Records all = records_of(trace, event);
      const auto one = std::ranges::find_if(all, [&](auto* each) { return each->packet == n; });
      REQUIRE(one != all.end());
      CHECK((*one)->time >= last);
      last = (*one)->time;
      if (length == 0) length = (*one)->length;
      CHECK((*one)->length == length);
      const bool there =
          event == kPacketCrossed || event == kIncomingLookup || event == kMemoryWritten;
      CHECK((*one)->node == (there ? 0 : 3));
      CHECK((*one)->process == (there ? receiver : sender).process->id);
      CHECK((*one)->kind == 1);
      CHECK((*one)->buffer == 1);
    }
  }
  const auto made = records_of(trace, kPacketMade);
  CHECK(made[0]->offset == 100);
  CHECK(made[1]->offset == 100 + made[0]->length);
  CHECK(made.back()->flags == wire::kTraceLastPacket);
  CHECK(std::memcmp(made[0]->content, sender.memory(), wire::kTraceContentBytes) == 0);
  CHECK(records_of(trace, kMemoryWritten)[0]->duration > 0);
  CHECK(records_of(trace, kSourceRead)[0]->duration > 0);
  CHECK(records_of(trace, kPacketSent)[0]->duration > 0);
  CHECK(records_of(trace, kPacketCrossed)[0]->value == (test_model().backplane.mesh != 0 ? 2 : 1));
  const auto taken = records_of(trace, kTaken);
  const auto completed = records_of(trace, kCompleted);
  REQUIRE((taken.size() == 1 && completed.size() == 1));
  CHECK(completed[0]->value == completed[0]->time - taken[0]->time);
  check_slices();
  const auto& latencies = instruments.latencies.of(wire::Operation::kDeliberateUpdate);
  CHECK(latencies.count() == 1);
}

TEST_CASE_FIXTURE(TraceFixture,
                  "stores that combine are seen one by one, and leave in one packet") {
  const auto import = connect(1, kPage);
  start();
  for (std::uint64_t i = 0; i < 4; ++i) store(import, 8 + 4 * i, wire::kCombineBlock);
  wire::SendDescriptor& slot = sender.next_slot({}, 0);
  sender.publish(slot, wire::LocalPlace::kInline, 0, wire::Operation::kFlush);
  run();
  CHECK(records_of(trace, kStoreSnooped).size() == 4);
  CHECK(records_of(trace, kStoreSnooped)[3]->offset == 20);
  CHECK(operations_of(trace).size() == 5);
  CHECK(records_of(trace, kCompleted).size() == 5);
  const auto made = records_of(trace, kPacketMade);
  REQUIRE(made.size() == 1);
  CHECK((made[0]->offset == 8 && made[0]->length == 16));
  CHECK(made[0]->operation == records_of(trace, kStoreSnooped)[3]->operation);
  CHECK(made[0]->content_bytes == 16);
  const auto entered = records_of(trace, kFifoEntered);
  const auto left = records_of(trace, kFifoLeft);
  REQUIRE((entered.size() == 1 && left.size() == 1));
  CHECK((entered[0]->value == 16 && left[0]->value == 0));
  CHECK(entered[0]->time < left[0]->time);
  check_slices();
}

TEST_CASE_FIXTURE(TraceFixture, "an operation belongs to the trace that has seen it begin") {
  const auto import = connect(1, kPage);
  start();
  const std::uint64_t ticket = post_bytes(import, 0, 8);
  receiver.park(wire::kNoEnd);
  sender.park(wire::kNoEnd);
  CHECK_FALSE(engine.anybody_runs());
  while (records_of(trace, kPacketMade).empty()) REQUIRE(engine.step());
  CHECK(machine.stop_trace() == Status::kOk);
  start();
  while (engine.step()) {
  }
  CHECK(sender.result(ticket) == Status::kOk);
  CHECK(trace.written() == 0);
}

TEST_CASE_FIXTURE(TraceFixture, "many at once: slices of one track follow each other") {
  const auto import = connect(1, 4 * kPage);
  start();
  for (int i = 0; i < 8; ++i) {
    post_bytes(import, 4u * static_cast<unsigned>(i), 3 * kPage,
               i % 3 == 2 ? wire::Operation::kFetch : wire::Operation::kDeliberateUpdate);
    store(import, 0, 0);
  }
  run();
  CHECK(sender.completed(15));
  CHECK(operations_of(trace).size() == 16);
  CHECK(records_of(trace, kCompleted).size() == 16);
  CHECK(records_of(trace, kPacketSent).size() == records_of(trace, kPacketCrossed).size());
  CHECK(records_of(trace, kPacketSent).size() == records_of(trace, kPacketMade).size());
  CHECK(instruments.latencies.of(wire::Operation::kFetch).count() == 2);
  CHECK(instruments.latencies.of(wire::Operation::kAutomaticUpdate).count() == 8);
  check_slices();
}

TEST_CASE_FIXTURE(TraceFixture,
                  "a fetch is a request and an answer; the memory is that of who asks") {
  const auto import = connect(1, kPage);
  std::memcpy(receiver.memory(), "remote text", 11);
  start();
  const auto ticket = sender.post_operation(import, 0, wire::Operation::kFetch,
                                            wire::LocalPlace::kSegment, sender.local(11, 64));
  wire::AtomicOperands add{};
  add.kind = wire::AtomicKind::kFetchAdd;
  add.width = 8;
  sender.post_atomic(import, 16, add);
  run();
  CHECK(sender.result(ticket) == Status::kOk);
  const auto written = records_of(trace, kMemoryWritten);
  REQUIRE(written.size() == 2);
  CHECK((written[0]->node == 3 && written[0]->process == sender.process->id));
  CHECK(std::memcmp(written[0]->content, "remote text", 11) == 0);
  CHECK((written[1]->node == 0 && written[1]->process == receiver.process->id));
  const auto crossed = records_of(trace, kPacketCrossed);
  REQUIRE(crossed.size() == 4);
  CHECK((crossed[0]->node == 0 && crossed[1]->node == 3));
  CHECK(records_of(trace, kIncomingLookup).size() == 2);  // of the requests
  check_slices();
}

TEST_CASE_FIXTURE(TraceFixture, "a notification, and what is refused") {
  const auto import = connect(1, kPage, wire::kExportNotifies);
  start();
  sender.post_notify(import, 8, "n", 5);
  const auto outside = post_bytes(import, kPage - 4, 8);
  run();
  CHECK(sender.result(outside) == Status::kOutsideProxy);
  const auto interrupt = records_of(trace, kInterrupt);
  const auto notified = records_of(trace, kNotified);
  REQUIRE((interrupt.size() == 1 && notified.size() == 1));
  CHECK(interrupt[0]->time + interrupt[0]->value == notified[0]->time);
  CHECK((notified[0]->node == 0 && notified[0]->offset == 8 && notified[0]->value == 1));
  CHECK(notified[0]->operation == interrupt[0]->operation);
  const auto refused = records_of(trace, kRefused);
  REQUIRE(refused.size() == 1);
  CHECK(refused[0]->status == static_cast<int>(Status::kOutsideProxy));
  const auto& errors = instruments.errors.entries();
  REQUIRE(errors.size() == 1);
  CHECK(errors.begin()->first.what == "deliberate update");
}

TEST_CASE_FIXTURE(TraceFixture, "what the exporter has taken back is refused where it arrives") {
  const auto import = connect(1, kPage);
  start();
  REQUIRE_FALSE(machine.unexport(*receiver.process, {{}, 1, 0}).has_value());
  const auto ticket = post_bytes(import, 0, 8);
  run();
  CHECK(sender.result(ticket) == Status::kUnexported);
  REQUIRE(records_of(trace, kIncomingLookup).size() == 1);
  CHECK(records_of(trace, kIncomingLookup)[0]->status == static_cast<int>(Status::kUnexported));
  CHECK(records_of(trace, kMemoryWritten).empty());
  CHECK(records_of(trace, kCompleted)[0]->status == static_cast<int>(Status::kUnexported));
}

TEST_CASE_FIXTURE(TraceFixture, "a struck packet does not land, and the operation completes") {
  const auto import = connect(1, 2 * kPage);
  Action action = Action::kDrop;
  SUBCASE("dropped") {}
  SUBCASE("corrupted") { action = Action::kCorrupt; }
  start();
  std::memset(receiver.memory(), 0xff, 2 * kPage);
  CHECK(instruments.faults.add({.action = action, .from = 3, .to = 0, .skip = 1}));
  const auto ticket = post_bytes(import, 0, 2 * kPage);
  run();
  REQUIRE(sender.completed(ticket));
  CHECK(sender.result(ticket) == Status::kOk);
  const auto struck =
      records_of(trace, action == Action::kDrop ? kPacketDropped : kPacketCorrupted);
  REQUIRE(struck.size() == 1);
  CHECK((struck[0]->node == 0 && struck[0]->packet == 1));
  const auto made = records_of(trace, kPacketMade);
  CHECK(records_of(trace, kMemoryWritten).size() == made.size() - 1);
  const std::uint64_t from = made[1]->offset;
  const std::uint64_t to = from + made[1]->length;
  CHECK(std::memcmp(receiver.memory(), sender.memory(), from) == 0);
  CHECK(std::memcmp(receiver.memory() + to, sender.memory() + to, 2 * kPage - to) == 0);
  for (std::uint64_t i = from; i < to; ++i) {
    if (receiver.memory()[i] != std::byte{0xff}) FAIL("byte " << i << " has arrived");
  }
  check_slices();
  const auto& errors = instruments.errors.entries();
  REQUIRE(errors.size() == (action == Action::kCorrupt ? 1 : 0));
  if (action == Action::kCorrupt) CHECK(errors.begin()->first.what == "packet");
  CHECK(sender.channel().counters.transfers_sent.load() == 1);
  CHECK(receiver.channel().counters.transfers_received.load() == 0);
}

TEST_CASE_FIXTURE(TraceFixture, "a notification is lost with its packet") {
  const auto import = connect(1, kPage, wire::kExportNotifies);
  CHECK(instruments.faults.add({.action = Action::kDrop}));
  sender.post_notify(import, 0, "lost", 1);
  sender.post_notify(import, 8, "next", 2);
  run();
  CHECK(sender.completed(1));
  CHECK(receiver.take_notification()->immediate == 2);
  CHECK_FALSE(receiver.take_notification().has_value());
}

TEST_CASE_FIXTURE(TraceFixture, "a delayed packet arrives later, and what is behind it after it") {
  const auto import = connect(1, kPage);
  start();
  constexpr std::uint64_t kDelay = 1'000'000;  // ns
  CHECK(instruments.faults.add({.action = Action::kDelay, .delay = kDelay}));
  post_bytes(import, 0, 8);
  post_bytes(import, 8, 8);
  run();
  const auto written = records_of(trace, kMemoryWritten);
  REQUIRE(written.size() == 2);
  CHECK(written[0]->operation < written[1]->operation);
  CHECK(written[0]->time > kDelay * kNanosecond);
  REQUIRE(records_of(trace, kPacketDelayed).size() == 1);
  CHECK(records_of(trace, kPacketDelayed)[0]->value == kDelay * kNanosecond);
  CHECK(instruments.faults.counters().delayed == 1);
  check_slices();
}

}  // namespace
}  // namespace vmmc::nicsim::simulated
