// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Redirection: what is sent to a part of a buffer lands elsewhere in its owner's memory.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
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

constexpr std::uint64_t kBuffer = 100;         // where the buffer is in the receiver's segment
constexpr std::uint64_t kLength = 1 << 20;     // its bytes
constexpr std::uint64_t kElsewhere = 2 << 20;  // where redirections lead to
constexpr std::uint32_t kFirstPage = kElsewhere / wire::kPageSize;

struct RedirectionFixture : EngineFixture {
  wire::ImportReply import = connect(kBuffer, kLength, 1, wire::kExportRedirectable);

  // [offset, offset + length) of the buffer to `to` of the segment.
  wire::RedirectRequest request(std::uint64_t offset, std::uint64_t length, std::uint64_t to) {
    wire::RedirectRequest result{};
    result.buffer_id = 1;
    result.offset = offset;
    result.length = length;
    result.page_offset = static_cast<std::uint32_t>(to % wire::kPageSize);
    result.extent_count = 1;
    result.extents[0] = receiver.export_request(1, to, length).extents[0];
    return result;
  }
  wire::RedirectionReply ask(const wire::RedirectRequest& asked) {
    return machine.redirect(*receiver.process, asked);
  }
  // Bytes that had arrived already.
  std::uint64_t redirect(std::uint64_t offset, std::uint64_t length, std::uint64_t to) {
    const auto reply = ask(request(offset, length, to));
    REQUIRE(reply.header.status == Status::kOk);
    CHECK(reply.direct == 0);
    return reply.copied;
  }
  wire::RedirectionReply end(std::uint64_t offset, std::uint32_t buffer = 1) {
    return machine.end_redirection(*receiver.process, {{}, buffer, 0, offset});
  }
  std::uint64_t direct(std::uint64_t offset) {
    const auto reply = end(offset);
    REQUIRE(reply.header.status == Status::kOk);
    CHECK(reply.copied == 0);
    return reply.direct;
  }
  std::string in_buffer(std::uint64_t offset, std::size_t length) {
    return std::string(received(kBuffer + offset, length));
  }
  std::string elsewhere(std::uint64_t offset, std::size_t length) {
    return std::string(received(kElsewhere + offset, length));
  }
};

std::string zeros(std::size_t count) { return std::string(count, '\0'); }

}  // namespace

TEST_CASE_FIXTURE(RedirectionFixture,
                  "what comes after the redirection goes straight to its place") {
  CHECK(redirect(10, 8, kElsewhere + 5) == 0);
  CHECK(send(import, 7, "abcDEFGHIJKxyz") == Status::kOk);  // begins before it and ends behind it
  CHECK(in_buffer(7, 14) == "abc" + zeros(8) + "xyz");
  CHECK(elsewhere(4, 10) == zeros(1) + "DEFGHIJK" + zeros(1));
  CHECK(receiver.channel().counters.bytes_received.load() == 14);
  CHECK(receiver.channel().counters.bytes_redirected.load() == 8);
  CHECK(receiver.channel().counters.transfers_received.load() == 1);
  CHECK(sender.channel().counters.packets_sent.load() == 1);
  CHECK(direct(10) == 8);
}

TEST_CASE_FIXTURE(RedirectionFixture, "what has come before is copied once") {
  CHECK(send(import, 12, "before") == Status::kOk);
  receiver.memory()[kBuffer + 30] = std::byte{'L'};  // the receiver's own store has not arrived
  receiver.memory()[kElsewhere + 20] = std::byte{'K'};
  CHECK(redirect(10, 40, kElsewhere) == 6);
  CHECK(elsewhere(0, 10) == zeros(2) + "before" + zeros(2));
  CHECK(elsewhere(20, 1) == "K");
  CHECK(send(import, 14, "after") == Status::kOk);
  CHECK(elsewhere(2, 7) == "beafter");
  CHECK(in_buffer(12, 6) == "before");
  CHECK(direct(10) == 5);
  CHECK(redirect(10, 40, kElsewhere + 4096) == 0);  // nothing has come to the buffer since
  CHECK(direct(10) == 0);
  CHECK(send(import, 15, "third") == Status::kOk);
  CHECK(redirect(10, 8, kElsewhere + 8192) == 3);  // the rest of it stays in the buffer
  CHECK(elsewhere(8192 + 5, 5) == "thi" + zeros(2));
  CHECK(redirect(18, 10, kElsewhere + 8192 + 8) == 2);
  CHECK(elsewhere(8192 + 5, 5) == "third");
}

TEST_CASE_FIXTURE(RedirectionFixture,
                  "bytes that have come over many pages are copied to scattered ones") {
  std::string text(20'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 >> 3);
  std::memcpy(sender.memory(), text.data(), text.size());
  REQUIRE(outcome(sender.post(import, 1000, LocalPlace::kSegment, sender.local(text.size(), 0))) ==
          Status::kOk);
  auto asked = request(1000, text.size(), kElsewhere + 77);
  REQUIRE(asked.extents[0].pages == 5);
  asked.extent_count = 3;  // the last page first
  asked.extents[0] = {receiver.segment, kFirstPage + 4, 1, 0};
  asked.extents[1] = {receiver.segment, kFirstPage + 2, 2, 0};
  asked.extents[2] = {receiver.segment, kFirstPage, 2, 0};
  const auto check = [&] {
    std::string found;
    for (const std::uint64_t page : {4, 2, 3, 0, 1}) found += elsewhere(page * 4096, 4096);
    CHECK(found.substr(77, text.size()) == text);
  };
  CHECK(ask(asked).copied == text.size());
  check();
  std::fill_n(receiver.memory() + kElsewhere, 5 * 4096, std::byte{0});
  REQUIRE(outcome(sender.post(import, 1000, LocalPlace::kSegment, sender.local(text.size(), 0))) ==
          Status::kOk);
  check();
  CHECK(direct(1000) == text.size());
}

TEST_CASE_FIXTURE(RedirectionFixture, "a redirection in the middle of a long transfer") {
  std::fill_n(sender.memory(), kLength, std::byte{'t'});
  const auto ticket = sender.post(import, 0, LocalPlace::kSegment, sender.local(kLength, 0));
  CHECK(engine.serve(*sender.process) == Served::kWorked);
  CHECK_FALSE(sender.completed(ticket));
  const std::uint64_t copied = redirect(0, kLength, kElsewhere);
  CHECK(copied > 0);
  CHECK(copied < kLength);
  CHECK(outcome(ticket) == Status::kOk);
  CHECK(elsewhere(0, kLength) == std::string(kLength, 't'));
  CHECK(in_buffer(copied, kLength - copied) == zeros(kLength - copied));
  CHECK(direct(0) == kLength - copied);
}

// More stretches of memory than one step of the engine moves.
TEST_CASE_FIXTURE(RedirectionFixture, "a transfer over hundreds of redirections") {
  constexpr std::uint64_t kCount = 500;
  constexpr std::uint64_t kStep = 24;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    REQUIRE(redirect(i * kStep, 10, kElsewhere + (kCount - i) * 16) == 0);
  }
  std::vector<std::byte> bytes(kCount * kStep);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i * 7 + i / 251);
  wire::LocalBytes local = sender.local(bytes.size(), 0);
  LocalPlace place = LocalPlace::kMemory;
  SUBCASE("from memory") { local = sender.memory_bytes(bytes.data(), bytes.size()); }
  SUBCASE("from a segment") {
    place = LocalPlace::kSegment;
    std::copy(bytes.begin(), bytes.end(), sender.memory());
  }
  SUBCASE("from the staging area") {
    place = LocalPlace::kStaged;
    std::copy(bytes.begin(), bytes.end(), sender.channel().staging);
  }
  REQUIRE(outcome(sender.post(import, 0, place, local)) == Status::kOk);
  for (std::uint64_t i = 0; i < bytes.size(); ++i) {
    CAPTURE(i);
    const std::uint64_t in_step = i % kStep;
    const std::uint64_t own = kBuffer + i;
    const bool redirected = in_step < 10;
    const std::uint64_t at = redirected ? kElsewhere + (kCount - i / kStep) * 16 + in_step : own;
    REQUIRE(receiver.memory()[at] == bytes[i]);
    if (redirected) REQUIRE(receiver.memory()[own] == std::byte{0});
  }
  CHECK(receiver.channel().counters.bytes_redirected.load() == kCount * 10);
  CHECK(receiver.channel().counters.bytes_received.load() == kCount * kStep);
  CHECK(receiver.channel().counters.transfers_received.load() == 1);
  for (std::uint64_t i = 0; i < kCount; ++i) REQUIRE(direct(i * kStep) == 10);
}

TEST_CASE_FIXTURE(RedirectionFixture, "a watched word wakes where the bytes really go") {
  redirect(0, 64, kElsewhere);
  const auto watch = [&](std::uint64_t offset) {
    receiver.channel().wake_request.watch_segment = receiver.segment;
    receiver.channel().wake_request.watch_offset = offset;
    receiver.channel().wake_request.armed = wire::kWakeOnWatch;
  };
  watch(kBuffer + 8);
  CHECK(send(import, 8, "word") == Status::kOk);
  CHECK(receiver.channel().arrivals.count.load() == 0);
  watch(kElsewhere + 8);
  CHECK(send(import, 0, "other") == Status::kOk);
  CHECK(receiver.channel().arrivals.count.load() == 0);
  CHECK(send(import, 8, "word") == Status::kOk);
  CHECK(receiver.channel().arrivals.count.load() == 1);
}

TEST_CASE_FIXTURE(RedirectionFixture, "fetches and atomic operations reach the buffer itself") {
  std::memcpy(receiver.memory() + kBuffer, "own bytes", 9);
  redirect(0, 4096, kElsewhere);
  CHECK(outcome(sender.post_operation(import, 0, Operation::kFetch, LocalPlace::kStaged,
                                      sender.local(9, 0))) == Status::kOk);
  CHECK(std::memcmp(sender.channel().staging, "own bytes", 9) == 0);
  CHECK(outcome(sender.post_atomic(import, 12, {wire::AtomicKind::kSwap, 8, 5, 0, {}})) ==
        Status::kOk);
  CHECK(receiver.memory()[kBuffer + 12] == std::byte{5});
  CHECK(elsewhere(0, 64) == zeros(64));
  CHECK(direct(0) == 0);
  CHECK(redirect(0, 4096, kElsewhere) == 0);  // nor have they arrived, as a message does
}

TEST_CASE_FIXTURE(RedirectionFixture, "a notification names the place in the buffer") {
  const auto notifying =
      connect(3 << 20, 4096, 9, wire::kExportRedirectable | wire::kExportNotifies);
  auto asked = request(32, 64, kElsewhere);
  asked.buffer_id = 9;
  REQUIRE(ask(asked).header.status == Status::kOk);
  CHECK(outcome(sender.post_notify(notifying, 40, "message", 6)) == Status::kOk);
  CHECK(elsewhere(8, 7) == "message");
  const auto notification = receiver.take_notification();
  REQUIRE(notification.has_value());
  CHECK(notification->offset == 40);
  CHECK(notification->length == 7);
}

TEST_CASE_FIXTURE(RedirectionFixture,
                  "when a redirection has ended bytes come to the buffer again") {
  redirect(0, 64, kElsewhere);
  CHECK(direct(0) == 0);
  CHECK(end(0).header.status == Status::kUnknownRedirection);
  CHECK(send(import, 0, "home") == Status::kOk);
  CHECK(in_buffer(0, 4) == "home");
  CHECK(elsewhere(0, 4) == zeros(4));
}

TEST_CASE_FIXTURE(RedirectionFixture, "an unexport ends the redirections of its buffer") {
  redirect(0, 64, kElsewhere);
  CHECK(send(import, 0, "elsewhere") == Status::kOk);
  CHECK_FALSE(machine.unexport(*receiver.process, {{}, 1, 0}).has_value());
  REQUIRE(late_unexports.size() == 1);
  CHECK(end(0).header.status == Status::kUnknownExport);
  const auto again = connect(kBuffer, kLength, 1, wire::kExportRedirectable);
  CHECK(send(again, 0, "home") == Status::kOk);
  CHECK(in_buffer(0, 4) == "home");
  CHECK(end(0).header.status == Status::kUnknownRedirection);
  CHECK(redirect(0, 64, kElsewhere) == 4);
}

TEST_CASE_FIXTURE(RedirectionFixture,
                  "while an unexport waits its redirections go on and no new ones come") {
  redirect(0, 64, kElsewhere);
  const auto ticket = sender.post(import, 0, std::as_bytes(std::span("last", 4)));
  CHECK_FALSE(machine.unexport(*receiver.process, {{}, 1, 0}).has_value());
  CHECK(ask(request(64, 64, kElsewhere + 4096)).header.status == Status::kUnknownExport);
  CHECK(end(0).header.status == Status::kUnknownExport);
  CHECK(outcome(ticket) == Status::kOk);
  machine.settle_unexports();
  CHECK(late_unexports.size() == 1);
  CHECK(elsewhere(0, 4) == "last");
}

TEST_CASE_FIXTURE(RedirectionFixture, "redirections do not overlap, but may touch") {
  const auto status = [&](std::uint64_t offset, std::uint64_t length) {
    return ask(request(offset, length, kElsewhere)).header.status;
  };
  CHECK(status(100, 100) == Status::kOk);
  CHECK(status(100, 100) == Status::kOverlap);
  CHECK(status(50, 51) == Status::kOverlap);
  CHECK(status(199, 1) == Status::kOverlap);
  CHECK(status(120, 4) == Status::kOverlap);
  CHECK(status(0, 1000) == Status::kOverlap);
  CHECK(status(50, 50) == Status::kOk);
  CHECK(status(200, 50) == Status::kOk);
  CHECK(end(60).header.status == Status::kUnknownRedirection);
  CHECK(direct(100) == 0);
  CHECK(status(100, 101) == Status::kOverlap);
  CHECK(status(100, 100) == Status::kOk);
}

TEST_CASE_FIXTURE(RedirectionFixture, "each refusal has its own status") {
  const auto refused = [&](Status expected, auto change) {
    auto asked = request(8, 8192, kElsewhere);
    change(asked);
    const auto reply = ask(asked);
    return reply.header.status == expected && reply.copied == 0;
  };
  CHECK(refused(Status::kUnknownExport, [](auto& r) { r.buffer_id = 2; }));
  CHECK(refused(Status::kOutsideProxy, [](auto& r) { r.offset = kLength; }));
  CHECK(refused(Status::kOutsideProxy, [](auto& r) { r.offset = kLength - 8191; }));
  CHECK(refused(Status::kOutsideProxy, [](auto& r) { r.offset = UINT64_MAX; }));
  CHECK(refused(Status::kZeroLength, [](auto& r) { r.length = 0; }));
  CHECK(refused(Status::kMalformed, [](auto& r) { r.length = wire::kMaxRedirectionBytes + 1; }));
  CHECK(refused(Status::kMalformed, [](auto& r) { r.length = UINT64_MAX; }));
  CHECK(refused(Status::kMalformed, [](auto& r) { r.page_offset = wire::kPageSize; }));
  CHECK(refused(Status::kMalformed, [](auto& r) { r.page_offset = 1; }));  // a page too few
  CHECK(refused(Status::kMalformed, [](auto& r) { r.extent_count = 0; }));
  CHECK(refused(Status::kMalformed, [](auto& r) { r.extent_count = wire::kMaxExtents + 1; }));
  CHECK(refused(Status::kMalformed, [](auto& r) { r.extents[0].segment += 1; }));
  CHECK(refused(Status::kMalformed, [](auto& r) { r.extents[0].first_page = 1023; }));
  CHECK(refused(Status::kMalformed, [](auto& r) { r.extents[0].first_page = UINT32_MAX; }));
  CHECK(refused(Status::kMalformed, [](auto& r) { r.extents[0].pages = UINT32_MAX; }));
  connect(3 << 20, 4096, 5);
  CHECK(refused(Status::kNotRedirectable, [](auto& r) { r.buffer_id = 5; }));
  CHECK(end(0, 5).header.status == Status::kUnknownRedirection);
  CHECK(end(0, 6).header.status == Status::kUnknownExport);
  CHECK(send(import, 8, "home") == Status::kOk);  // none of them has been made
  CHECK(in_buffer(8, 4) == "home");
}

TEST_CASE_FIXTURE(RedirectionFixture, "their number is bounded") {
  constexpr std::uint64_t kMost = wire::kMaxRedirections;
  for (std::uint64_t i = 0; i < kMost; ++i) REQUIRE(redirect(i * 8, 8, kElsewhere) == 0);
  CHECK(ask(request(kMost * 8, 8, kElsewhere)).header.status == Status::kTooManyRedirections);
  direct(0);
  redirect(kMost * 8, 8, kElsewhere);
}

TEST_CASE_FIXTURE(RedirectionFixture,
                  "a segment that is released too early stays under its redirection") {
  auto file = platform::create_shared_memory("second", 4096);
  auto mapping = platform::SharedMapping::map(file.value().get(), 4096);
  const auto id = std::get<std::uint32_t>(receiver.register_memory(file.value().get(), 4096));
  auto asked = request(0, 64, 0);
  asked.extents[0].segment = id;
  REQUIRE(ask(asked).header.status == Status::kOk);
  REQUIRE(machine.release_segment(*receiver.process, id) == Status::kOk);
  CHECK(send(import, 4, "still") == Status::kOk);
  CHECK(std::memcmp(mapping.value().data() + 4, "still", 5) == 0);
  asked.offset = 64;
  CHECK(ask(asked).header.status == Status::kMalformed);
  CHECK(direct(0) == 5);
  CHECK(send(import, 4, "home!") == Status::kOk);
  CHECK(in_buffer(4, 5) == "home!");
}

TEST_CASE_FIXTURE(RedirectionFixture, "a redirection to the buffer itself") {
  CHECK(send(import, 0, "abcdefgh") == Status::kOk);
  CHECK(redirect(0, 8, kBuffer + 4) == 8);
  CHECK(in_buffer(0, 12) == "abcdabcdefgh");
  CHECK(send(import, 0, "ijkl") == Status::kOk);
  CHECK(in_buffer(0, 12) == "abcdijklefgh");
}

// A model in bytes: where each byte of the buffer goes to, and which have arrived.
TEST_CASE_FIXTURE(RedirectionFixture, "random redirections and updates") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  constexpr std::uint64_t kSpan = 20'000;
  std::vector<std::byte> memory(1024 * 4096);  // of the receiver
  std::vector<std::int64_t> goes_to(kSpan, -1);
  std::vector<bool> arrived(kSpan);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> open;
  for (int step = 0; step < 4000; ++step) {
    const std::uint64_t offset = random() % kSpan;
    const std::uint64_t length = 1 + random() % std::min<std::uint64_t>(kSpan - offset, 3000);
    if (random() % 4 != 0) {
      std::vector<std::byte> bytes(length);
      for (std::uint64_t i = 0; i < length; ++i) {
        bytes[i] = std::byte(random());
        const bool home = goes_to[offset + i] < 0;
        memory[home ? kBuffer + offset + i : goes_to[offset + i]] = bytes[i];
        if (home) arrived[offset + i] = true;
      }
      REQUIRE(outcome(sender.post(import, offset, LocalPlace::kMemory,
                                  sender.memory_bytes(bytes.data(), length))) == Status::kOk);
    } else if (!open.empty() && random() % 2 == 0) {
      const std::size_t which = random() % open.size();
      const auto [first, count] = open[which];
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
      direct(first);
      std::fill_n(goes_to.begin() + static_cast<std::ptrdiff_t>(first), count, -1);
    } else {
      const std::uint64_t to = kElsewhere + random() % 100'000;
      const bool free = std::all_of(&goes_to[offset], &goes_to[offset] + length,
                                    [](std::int64_t place) { return place < 0; });
      const auto reply = ask(request(offset, length, to));
      REQUIRE(reply.header.status == (free ? Status::kOk : Status::kOverlap));
      if (!free) continue;
      open.emplace_back(offset, length);
      std::uint64_t copied = 0;
      for (std::uint64_t i = 0; i < length; ++i) {
        goes_to[offset + i] = static_cast<std::int64_t>(to + i);
        if (!arrived[offset + i]) continue;
        memory[to + i] = memory[kBuffer + offset + i];
        arrived[offset + i] = false;
        ++copied;
      }
      REQUIRE(reply.copied == copied);
    }
  }
  CHECK(std::memcmp(memory.data(), receiver.memory(), memory.size()) == 0);
}
