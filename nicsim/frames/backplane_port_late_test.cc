// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a ring of the backplane sees of operations that were under way when it was opened, and of
// updates to parts of a buffer that are redirected.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "nicsim/frames/backplane_port.h"
#include "nicsim/frames/testing/tapped_port.h"
#include "nicsim/testing/engine_fixture.h"
#include "nicsim/testing/trace_reader.h"
#include "nicsim/wire/trace_record.h"

using namespace vmmc;
using nicsim::BackplanePort;
using nicsim::testing::SeenPacket;
using nicsim::testing::TappedPort;
using wire::LocalPlace;
using wire::Operation;
using wire::Status;
using Served = nicsim::TransferEngine::Served;

namespace {

constexpr std::uint64_t kPage = wire::kPageSize;
constexpr std::uint64_t kLong = 1 << 20;       // more than one share of the engine
constexpr std::uint64_t kElsewhere = 2 << 20;  // in the receiver's segment

struct LateFixture : nicsim::testing::EngineFixture {
  BackplanePort port{machine};

  // The first `length` bytes of somebody's segment.
  static std::string fill(nicsim::testing::FakeClient& client, std::uint64_t length) {
    std::string bytes(length, '\0');
    for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<char>(i * 7 + i / 251);
    std::memcpy(client.memory(), bytes.data(), length);
    return bytes;
  }
  // Posts a long operation; the engine has done a share of it.
  std::uint64_t begin(const wire::ImportReply& import, Operation operation) {
    const auto ticket =
        sender.post_operation(import, 0, operation, LocalPlace::kSegment, sender.local(kLong, 0));
    REQUIRE(engine.serve(*sender.process) == Served::kWorked);
    REQUIRE(sender.process->transfer.active);
    return ticket;
  }
  std::uint64_t done() const { return sender.process->transfer.done; }

  void redirect(std::uint64_t offset, std::uint64_t length, std::uint64_t to) {
    wire::RedirectRequest request{};
    request.buffer_id = 1;
    request.offset = offset;
    request.length = length;
    request.page_offset = static_cast<std::uint32_t>(to % kPage);
    request.extent_count = 1;
    request.extents[0] = receiver.export_request(1, to, length).extents[0];
    REQUIRE(machine.redirect(*receiver.process, request).header.status == Status::kOk);
  }
};

bool is_last(const SeenPacket& seen) { return (seen.header.flags & wire::kTraceLastPacket) != 0; }

// That the frames are `bytes` from `offset` of the buffer on, in order, with nothing between them,
// all of one operation, of which `packet` is the first one's number.
void check_stream(const std::vector<SeenPacket>& seen, std::uint64_t offset,
                  const std::string& bytes, std::uint32_t packet = 0) {
  REQUIRE_FALSE(seen.empty());
  std::string found;
  for (const SeenPacket& one : seen) {
    CAPTURE(found.size());
    REQUIRE(one.header.operation == seen.front().header.operation);
    REQUIRE(one.header.offset == offset + found.size());
    REQUIRE(one.header.length == one.payload.size());
    REQUIRE(one.header.packet == packet++);
    REQUIRE(one.dropped == 0);
    found += one.payload;
  }
  CHECK(seen.front().header.operation > 0);
  CHECK(found == bytes);
}

// That the last frame, and no other one, ends the operation.
void check_ends(const std::vector<SeenPacket>& seen) {
  REQUIRE_FALSE(seen.empty());
  CHECK(std::count_if(seen.begin(), seen.end(), is_last) == 1);
  CHECK(is_last(seen.back()));
}

}  // namespace

TEST_CASE_FIXTURE(LateFixture, "of an update under way the rest is seen, as of one operation") {
  const auto import = connect(0, kLong, 7);
  const std::string bytes = fill(sender, kLong);
  const auto ticket = begin(import, Operation::kDeliberateUpdate);
  const std::uint64_t before = done();
  TappedPort tapped(port);
  CHECK(outcome(ticket) == Status::kOk);
  const auto seen = tapped.take();
  check_stream(seen, before, bytes.substr(before));
  check_ends(seen);
  for (const auto& [header, payload, dropped] : {seen.front(), seen.back()}) {
    CHECK(header.kind == static_cast<std::uint8_t>(Operation::kDeliberateUpdate));
    CHECK(header.from_node == 1);
    CHECK(header.to_node == 0);
    CHECK(header.from_process == sender.process->id);
    CHECK(header.to_process == receiver.process->id);
    CHECK(header.buffer == 7);
  }
  CHECK(send(import, 5, "next") == Status::kOk);
  const auto next = tapped.take();
  check_stream(next, 5, "next");
  CHECK(next[0].header.operation == seen[0].header.operation + 1);
}

TEST_CASE_FIXTURE(LateFixture, "of a fetch under way the rest is seen") {
  const auto import = connect(0, kLong);
  const std::string bytes = fill(receiver, kLong);
  const auto ticket = begin(import, Operation::kFetch);
  const std::uint64_t before = done();
  TappedPort tapped(port);
  CHECK(outcome(ticket) == Status::kOk);
  const auto seen = tapped.take();
  check_stream(seen, before, bytes.substr(before));
  check_ends(seen);
  CHECK(seen[0].header.from_node == 0);
  CHECK(seen[0].header.to_node == 1);
}

TEST_CASE_FIXTURE(LateFixture, "a node's ring sees of it what concerns the node") {
  const auto import = connect(0, kLong);
  const std::string bytes = fill(sender, kLong);
  const auto ticket = begin(import, Operation::kDeliberateUpdate);
  const std::uint64_t before = done();
  TappedPort at_receiver(port, 0);
  TappedPort at_sender(port, 1);
  TappedPort elsewhere(port, 2);
  CHECK(outcome(ticket) == Status::kOk);
  check_stream(at_receiver.take(), before, bytes.substr(before));
  check_stream(at_sender.take(), before, bytes.substr(before));
  CHECK(elsewhere.take().empty());
}

TEST_CASE_FIXTURE(LateFixture, "a ring that comes back sees the same operation go on") {
  const auto import = connect(0, kLong);
  const std::string bytes = fill(sender, kLong);
  const auto ticket = begin(import, Operation::kDeliberateUpdate);
  std::vector<SeenPacket> first;
  const std::uint64_t before = done();
  {
    TappedPort tapped(port);
    REQUIRE(engine.serve(*sender.process) == Served::kWorked);
    first = tapped.take();
  }
  check_stream(first, before, bytes.substr(before, done() - before));
  CHECK(std::none_of(first.begin(), first.end(), is_last));
  REQUIRE(engine.serve(*sender.process) == Served::kWorked);  // nobody looks
  REQUIRE(sender.process->transfer.active);
  const std::uint64_t again = done();
  TappedPort tapped(port);
  CHECK(outcome(ticket) == Status::kOk);
  const auto second = tapped.take();
  check_stream(second, again, bytes.substr(again), static_cast<std::uint32_t>(first.size()));
  check_ends(second);
  CHECK(second[0].header.operation == first[0].header.operation);
}

TEST_CASE_FIXTURE(LateFixture, "a trace that began in its middle, too, has nothing of it") {
  const auto import = connect(0, kLong);
  const std::string bytes = fill(sender, kLong);
  const auto ticket = begin(import, Operation::kDeliberateUpdate);
  const std::uint64_t before = done();
  nicsim::Trace& trace = machine.instruments().trace;
  REQUIRE(trace.start(8192) == 0);
  TappedPort tapped(port);
  CHECK(outcome(ticket) == Status::kOk);
  check_stream(tapped.take(), before, bytes.substr(before));
  CHECK(nicsim::testing::events_of(trace).empty());
  CHECK(send(import, 0, "next") == Status::kOk);
  const auto next = tapped.take();
  check_stream(next, 0, "next");
  const auto written = nicsim::testing::records_of(trace, wire::TraceEvent::kMemoryWritten);
  REQUIRE(written.size() == 1);
  CHECK(written[0]->operation == next[0].header.operation);
}

TEST_CASE_FIXTURE(LateFixture, "one that fails on its way is seen as far as it was written") {
  const auto import = connect(0, kLong, 3);
  const std::string bytes = fill(sender, kLong);
  const auto ticket = begin(import, Operation::kDeliberateUpdate);
  const std::uint64_t before = done();
  TappedPort tapped(port);
  REQUIRE(engine.serve(*sender.process) == Served::kWorked);
  const std::uint64_t after = done();
  machine.detach(*receiver.process);
  CHECK(outcome(ticket) == Status::kPeerDead);
  const auto seen = tapped.take();
  check_stream(seen, before, bytes.substr(before, after - before));
  CHECK(std::none_of(seen.begin(), seen.end(), is_last));
}

TEST_CASE_FIXTURE(LateFixture, "a redirected update is seen whole, at its place in the buffer") {
  const auto import = connect(100, 3 * kPage, 1, wire::kExportRedirectable);
  redirect(10, 8, kElsewhere + 5);
  TappedPort tapped(port);
  CHECK(send(import, 7, "abcDEFGHIJKxyz") == Status::kOk);  // begins before it, ends behind it
  CHECK(received(kElsewhere + 5, 8) == "DEFGHIJK");
  const auto seen = tapped.take();
  REQUIRE(seen.size() == 1);
  check_stream(seen, 7, "abcDEFGHIJKxyz");
  check_ends(seen);
  CHECK(send(import, 12, "in") == Status::kOk);
  check_stream(tapped.take(), 12, "in");
  CHECK(machine.end_redirection(*receiver.process, {{}, 1, 0, 10}).direct == 10);
  CHECK(send(import, 12, "home") == Status::kOk);
  CHECK(received(112, 4) == "home");
  check_stream(tapped.take(), 12, "home");
}

TEST_CASE_FIXTURE(LateFixture, "fetches and atomic operations of it are seen from the buffer") {
  const auto import = connect(0, kPage, 1, wire::kExportRedirectable);
  redirect(0, 64, kElsewhere);
  std::memcpy(receiver.memory(), "own bytes", 9);
  TappedPort tapped(port);
  CHECK(outcome(sender.post_operation(import, 0, Operation::kFetch, LocalPlace::kSegment,
                                      sender.local(9, 0))) == Status::kOk);
  check_stream(tapped.take(), 0, "own bytes");
  CHECK(outcome(sender.post_atomic(import, 16, {wire::AtomicKind::kSwap, 8, 5, 0, {}})) ==
        Status::kOk);
  check_stream(tapped.take(), 16, std::string("\5\0\0\0\0\0\0\0", 8));
}

TEST_CASE_FIXTURE(LateFixture, "an update under way that is redirected before the ring comes") {
  const auto import = connect(100, kLong, 1, wire::kExportRedirectable);
  const std::string bytes = fill(sender, kLong);
  const auto ticket = begin(import, Operation::kDeliberateUpdate);
  const std::uint64_t before = done();
  redirect(before + 50, 3 * kPage, kElsewhere + 9);
  TappedPort tapped(port);
  CHECK(outcome(ticket) == Status::kOk);
  CHECK(received(kElsewhere + 9, 3 * kPage) == bytes.substr(before + 50, 3 * kPage));
  const auto seen = tapped.take();
  check_stream(seen, before, bytes.substr(before));
  check_ends(seen);
}

// More stretches of memory than one step of the engine moves: the page goes in several packets.
TEST_CASE_FIXTURE(LateFixture, "a page over hundreds of redirections") {
  const auto import = connect(0, 2 * kPage, 1, wire::kExportRedirectable);
  const std::string bytes = fill(sender, 2 * kPage);
  for (std::uint64_t i = 0; i < 400; ++i) redirect(i * 20, 10, kElsewhere + (400 - i) * 16);
  const nicsim::Trace& trace = machine.instruments().trace;
  REQUIRE(machine.instruments().trace.start(8192) == 0);
  TappedPort tapped(port);
  CHECK(outcome(sender.post(import, 0, LocalPlace::kSegment, sender.local(2 * kPage, 0))) ==
        Status::kOk);
  const auto seen = tapped.take();
  CHECK(seen.size() > 2);
  CHECK(sender.channel().counters.packets_sent.load() == seen.size());
  check_stream(seen, 0, bytes);
  check_ends(seen);
  const auto made = nicsim::testing::records_of(trace, wire::TraceEvent::kPacketMade);
  REQUIRE(made.size() == seen.size());
  for (std::size_t i = 0; i < made.size(); ++i) {
    CAPTURE(i);
    CHECK(made[i]->packet == i);
    CHECK(made[i]->offset == seen[i].header.offset);
    CHECK(made[i]->length == seen[i].header.length);
    CHECK(made[i]->flags == seen[i].header.flags);
  }
}
