// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/real_time/datagram_trace.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "nicsim/real_time/testing/traced_carrier.h"
#include "nicsim/testing/trace_reader.h"
#include "nicsim/trace/names.h"

namespace {
std::uint64_t allocations = 0;
}  // namespace

// Where it has inlined only some of these GCC takes them for a mistake.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* const memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace vmmc::nicsim::real_time {
namespace {

using nicsim::testing::events_of;
using nicsim::testing::operations_of;
using nicsim::testing::records_of;
using testing::kEnds;
using Fixture = testing::TracedCarrier;
using wire::DatagramPlace;
using wire::Status;
using enum wire::TraceEvent;
using Events = std::vector<wire::TraceEvent>;

constexpr std::uint64_t kDeadline = Fixture::kDeadline;
constexpr std::uint32_t kLong = 9000;  // three fragments

std::string content_of(const wire::TraceRecord& record) {
  return {reinterpret_cast<const char*>(record.content), record.content_bytes};
}

// What all records of the channel's datagrams say alike. `receiving`: it happened at the receiver.
void check_ends(const wire::TraceRecord& record) {
  CAPTURE(event_name(record.event));
  CHECK(kind_name(record.kind) == "real_time_datagram");
  const bool receiving = record.event == kMemoryWritten || record.event == kPacketCrossed ||
                         record.event == kPacketDropped || record.event == kPacketCorrupted;
  CHECK(record.node == (receiving ? kEnds.to_node : kEnds.from_node));
  CHECK(record.process == (receiving ? kEnds.to_process : kEnds.from_process));
  CHECK(record.peer == (receiving ? kEnds.from_node : kEnds.to_node));
  CHECK(record.peer_process == (receiving ? kEnds.from_process : kEnds.to_process));
  CHECK(record.buffer == kEnds.channel);
}

// Everything that was recorded: of the channel, and each operation taken before and ended after all
// else of it, once.
void check_whole_operations(const Trace& trace) {
  for (const std::uint64_t operation : operations_of(trace)) {
    CAPTURE(operation);
    Events events;
    for (const auto* record : records_of(trace)) {
      if (record->operation != operation) continue;
      events.push_back(record->event);
      check_ends(*record);
    }
    const auto count = [&](wire::TraceEvent event) {
      return std::count(events.begin(), events.end(), event);
    };
    CHECK(events.front() == kTaken);
    CHECK((events.back() == kCompleted || events.back() == kRefused));
    CHECK(count(kTaken) == 1);
    CHECK(count(kCompleted) + count(kRefused) == 1);
  }
}

TEST_CASE("a page: lent, and nothing is written") {
  Fixture f;
  f.start_trace();
  REQUIRE(f.sender.send_page(100, f.now));
  f.packets();
  const auto received = f.receiver.receive();
  REQUIRE(received);
  CHECK(events_of(f.trace) == Events{kTaken, kPacketMade, kPacketSent, kPacketCrossed, kCompleted});
  check_whole_operations(f.trace);
  const auto records = records_of(f.trace);
  for (const auto* record : records) {
    CHECK(record->length == 100);
    CHECK(record->offset == 0);
    CHECK(record->status == 0);
    CHECK(record->duration == 0);
  }
  CHECK(records[0]->flags == 0);
  for (const std::size_t n : {1, 2, 3}) {
    CHECK(records[n]->flags == (wire::kTraceLastPacket | wire::kTraceLendsPage));
    CHECK(records[n]->page == received->index);
  }
  CHECK(records[4]->flags == wire::kTraceLendsPage);
  CHECK(records[4]->value == records[4]->time - records[0]->time);
  CHECK(content_of(*records[1]) == f.sent(0, 0, wire::kTraceContentBytes));
  CHECK(content_of(*records[3]) == f.sent(0, 0, wire::kTraceContentBytes));
}

TEST_CASE("a buffer: each fragment is written where it belongs") {
  Fixture f;
  f.start_trace();
  REQUIRE(f.sender.send_page(8, f.now));
  REQUIRE(f.sender.send_buffer(kLong, f.now));
  f.packets();
  check_whole_operations(f.trace);
  CHECK(operations_of(f.trace).size() == 2);
  CHECK(records_of(f.trace, kTaken)[1]->value == 1);
  CHECK(records_of(f.trace, kTaken)[1]->length == kLong);
  const auto written = records_of(f.trace, kMemoryWritten);
  REQUIRE(written.size() == 3);
  for (std::uint32_t n = 0; n < 3; ++n) {
    CHECK(written[n]->packet == n);
    CHECK(written[n]->offset == n * wire::kPageSize);
    CHECK(written[n]->length == std::min(wire::kPageSize, kLong - n * wire::kPageSize));
    CHECK(written[n]->flags == (n == 2 ? wire::kTraceLastPacket : 0));
    CHECK(written[n]->duration > 0);
    CHECK(content_of(*written[n]) == f.sent(1, n * wire::kPageSize, wire::kTraceContentBytes));
  }
  CHECK(records_of(f.trace, kPacketCrossed).size() == 1);
  CHECK(records_of(f.trace, kPacketSent).size() == 4);
  CHECK(records_of(f.trace).back()->event == kCompleted);
  CHECK(records_of(f.trace).back()->flags == 0);
}

TEST_CASE("nothing at all, in either place") {
  Fixture f;
  f.start_trace();
  REQUIRE(f.sender.send_page(0, f.now));
  REQUIRE(f.sender.send_buffer(0, f.now));
  f.packets();
  CHECK(events_of(f.trace) == Events{kTaken, kPacketMade, kPacketSent, kPacketCrossed, kCompleted,
                                     kTaken, kPacketMade, kPacketSent, kMemoryWritten, kCompleted});
  for (const auto* record : records_of(f.trace)) CHECK(record->content_bytes == 0);
}

TEST_CASE("refused: over the budget, and what makes no sense") {
  Fixture f(1);
  f.start_trace();
  for (int n = 0; n < 2; ++n) REQUIRE(f.sender.send_page(8, f.now));
  f.sender.post({.place = DatagramPlace::kPage, .index = 100, .length = 7}, f.now);
  f.packets();
  check_whole_operations(f.trace);
  const auto refused = records_of(f.trace, kRefused);
  REQUIRE(refused.size() == 2);
  CHECK(refused[0]->status == static_cast<std::int32_t>(Status::kOverBudget));
  CHECK(refused[1]->status == static_cast<std::int32_t>(Status::kMalformed));
  CHECK(records_of(f.trace, kTaken).size() == 3);
  CHECK(records_of(f.trace, kPacketMade).size() == 1);
  CHECK(f.instruments.errors.entries().empty());
}

TEST_CASE("a fragment that is dropped: the datagram ends at its deadline, not before") {
  Fixture f;
  f.start_trace();
  f.fault(FaultPlan::Action::kDrop, 1);
  REQUIRE(f.sender.send_buffer(kLong, f.now));
  REQUIRE(f.sender.send_page(8, f.now));
  f.packets();
  const auto dropped = records_of(f.trace, kPacketDropped);
  REQUIRE(dropped.size() == 1);
  CHECK(dropped[0]->packet == 1);
  CHECK(content_of(*dropped[0]) == f.sent(0, wire::kPageSize, wire::kTraceContentBytes));
  CHECK(records_of(f.trace, kPacketSent).size() == 4);
  CHECK(records_of(f.trace, kMemoryWritten).size() == 2);
  // The page behind it has arrived, and is not the receiver's yet.
  CHECK(records_of(f.trace, kPacketCrossed).size() == 1);
  CHECK(records_of(f.trace, kCompleted).empty());
  f.now += kDeadline;
  f.carrier.settle(f.now);
  check_whole_operations(f.trace);
  const auto completed = records_of(f.trace, kCompleted);
  REQUIRE(completed.size() == 2);
  CHECK(completed[0]->status == static_cast<std::int32_t>(Status::kDatagramLost));
  CHECK(completed[1]->status == 0);
  CHECK(completed[1]->flags == wire::kTraceLendsPage);
}

TEST_CASE("one that is corrupted: lost at once, and of what is left of it there is nothing") {
  Fixture f;
  f.start_trace();
  f.fault(FaultPlan::Action::kCorrupt, 1);
  REQUIRE(f.sender.send_buffer(kLong, f.now));
  f.packets();
  CHECK(events_of(f.trace) == Events{kTaken, kPacketMade, kPacketSent, kMemoryWritten, kPacketMade,
                                     kPacketSent, kPacketCorrupted, kCompleted});
  check_whole_operations(f.trace);
  CHECK(records_of(f.trace, kCompleted)[0]->status ==
        static_cast<std::int32_t>(Status::kDatagramLost));
}

TEST_CASE("a page that is lost never becomes the receiver's") {
  Fixture f;
  f.start_trace();
  f.fault(FaultPlan::Action::kDrop);
  REQUIRE(f.sender.send_page(8, f.now));
  f.packets();
  f.now += kDeadline;
  f.carrier.settle(f.now);
  CHECK(events_of(f.trace) == Events{kTaken, kPacketMade, kPacketSent, kPacketDropped, kCompleted});
  CHECK(records_of(f.trace).back()->flags == 0);
  CHECK(records_of(f.trace).back()->page == 0);
}

TEST_CASE("one that is delayed is sent when it is due") {
  Fixture f;
  f.start_trace();
  f.fault(FaultPlan::Action::kDelay, 0, 5000);
  REQUIRE(f.sender.send_buffer(8000, f.now));
  f.packets();
  f.now += 5000;
  f.packets();
  CHECK(events_of(f.trace) == Events{kTaken, kPacketMade, kPacketDelayed, kPacketMade, kPacketSent,
                                     kMemoryWritten, kPacketSent, kMemoryWritten, kCompleted});
  check_whole_operations(f.trace);
  CHECK(records_of(f.trace, kPacketDelayed)[0]->value == 5'000'000);
  CHECK(records_of(f.trace, kPacketSent)[0]->packet == 1);
  CHECK(records_of(f.trace, kPacketSent)[1]->packet == 0);
}

TEST_CASE("one that is delayed beyond the deadline has never been sent") {
  Fixture f;
  f.start_trace();
  f.fault(FaultPlan::Action::kDelay, 0, 2 * kDeadline);
  REQUIRE(f.sender.send_page(8, f.now));
  f.packets();
  f.now += 3 * kDeadline;
  f.packets();
  CHECK(events_of(f.trace) == Events{kTaken, kPacketMade, kPacketDelayed, kCompleted});
  CHECK(records_of(f.trace).back()->status == static_cast<std::int32_t>(Status::kDatagramLost));
}

TEST_CASE("when the receiver ends, what is under way ends with it") {
  Fixture f;
  f.start_trace();
  f.fault(FaultPlan::Action::kDrop);
  f.fault(FaultPlan::Action::kCorrupt, 1);
  REQUIRE(f.sender.send_page(8, f.now));
  REQUIRE(f.sender.send_page(8, f.now));  // is lost already when the receiver ends
  REQUIRE(f.sender.send_page(8, f.now));  // has arrived
  f.packets();
  f.carrier.drop();
  check_whole_operations(f.trace);
  const auto completed = records_of(f.trace, kCompleted);
  REQUIRE(completed.size() == 3);
  CHECK(completed[0]->status == static_cast<std::int32_t>(Status::kDatagramLost));
  CHECK(completed[1]->status == static_cast<std::int32_t>(Status::kPeerDead));
  CHECK(completed[2]->status == static_cast<std::int32_t>(Status::kPeerDead));
}

TEST_CASE("a trace that begins in mid-datagram has nothing of it") {
  Fixture f;
  REQUIRE(f.sender.send_buffer(kLong, f.now));
  f.packet();
  f.start_trace();
  f.packets();
  CHECK(f.receiver.receive());
  CHECK(f.trace.written() == 0);
  REQUIRE(f.sender.send_page(8, f.now));
  f.packets();
  check_whole_operations(f.trace);
  CHECK(*operations_of(f.trace).begin() == 2);
}

TEST_CASE("nor has one that begins when another has seen it taken") {
  Fixture f;
  f.start_trace();
  REQUIRE(f.sender.send_buffer(kLong, f.now));
  f.packet();
  CHECK(f.trace.written() > 0);
  f.trace.stop();
  f.packet();
  f.start_trace();
  f.packets();
  CHECK(f.receiver.receive());
  CHECK(f.trace.written() == 0);
}

TEST_CASE("recording allocates nothing") {
  Fixture f;
  f.start_trace();
  REQUIRE(f.sender.send_buffer(kLong, f.now));
  REQUIRE(f.sender.send_page(8, f.now));
  const std::uint64_t before = allocations;
  f.packets();
  CHECK(allocations == before);
  CHECK(f.trace.written() > 0);
}

}  // namespace
}  // namespace vmmc::nicsim::real_time
