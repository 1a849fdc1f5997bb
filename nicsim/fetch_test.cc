// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Fetches: bytes of an imported buffer come to local memory.

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "nicsim/testing/engine_fixture.h"

using namespace vmmc;
using nicsim::testing::EngineFixture;
using wire::LocalPlace;
using wire::Status;
using Served = nicsim::TransferEngine::Served;

namespace {

struct FetchFixture : EngineFixture {
  void fill(std::uint64_t offset, std::string_view text) {
    std::memcpy(receiver.memory() + offset, text.data(), text.size());
  }
  std::uint64_t post_fetch(const wire::ImportReply& from, std::uint64_t offset, LocalPlace place,
                           const wire::LocalBytes& to, std::uint8_t flags = 0) {
    return sender.post_operation(from, offset, wire::Operation::kFetch, place, to, flags);
  }
  Status fetch(const wire::ImportReply& from, std::uint64_t offset, LocalPlace place,
               const wire::LocalBytes& to) {
    return outcome(post_fetch(from, offset, place, to));
  }
};

std::string text_at(const std::byte* address, std::size_t length) {
  return {reinterpret_cast<const char*>(address), length};
}

}  // namespace

TEST_CASE_FIXTURE(FetchFixture, "a fetch writes each local place, and nothing beside it") {
  const auto import = connect(100, 8192);
  fill(105, "bytes");
  std::string ordinary = "..........";
  CHECK(fetch(import, 5, LocalPlace::kMemory, sender.memory_bytes(ordinary.data() + 2, 5)) ==
        Status::kOk);
  CHECK(ordinary == "..bytes...");
  CHECK(fetch(import, 5, LocalPlace::kStaged, sender.local(5, 77)) == Status::kOk);
  CHECK(text_at(sender.channel().staging + 76, 7) == std::string("\0bytes\0", 7));
  CHECK(fetch(import, 5, LocalPlace::kSegment, sender.local(5, 4095)) == Status::kOk);
  CHECK(text_at(sender.memory() + 4094, 7) == std::string("\0bytes\0", 7));
  CHECK(text_at(receiver.memory() + 105, 5) == "bytes");
  const auto& counters = sender.channel().counters;
  CHECK(counters.fetches.load() == 3);
  CHECK(counters.bytes_fetched.load() == 15);
  CHECK(counters.memory_transfers.load() == 1);
  CHECK(counters.staged_transfers.load() == 1);
  CHECK(counters.segment_transfers.load() == 1);
  CHECK(counters.transfers_sent.load() == 0);
  CHECK(receiver.channel().counters.transfers_received.load() == 0);
}

TEST_CASE_FIXTURE(FetchFixture, "a fetch needs the read right, and no other") {
  REQUIRE(receiver.export_bytes(1, 0, 64) == Status::kOk);
  CHECK(fetch(import(1, wire::kAccessWrite), 0, LocalPlace::kStaged, sender.local(8, 0)) ==
        Status::kNotReadable);
  CHECK(fetch(import(1, wire::kAccessRead), 0, LocalPlace::kStaged, sender.local(8, 0)) ==
        Status::kOk);
}

TEST_CASE_FIXTURE(FetchFixture, "a fetch from outside of the buffer is refused") {
  const auto import = connect(100, 200);
  const auto fetch_from = [&](std::uint64_t offset, std::uint64_t length) {
    return fetch(import, offset, LocalPlace::kStaged, sender.local(length, 0));
  };
  std::fill_n(receiver.memory(), 4096, std::byte{7});
  CHECK(fetch_from(199, 1) == Status::kOk);
  CHECK(fetch_from(199, 2) == Status::kOutsideProxy);
  CHECK(fetch_from(200, 1) == Status::kOutsideProxy);
  CHECK(fetch_from(static_cast<std::uint64_t>(-1), 1) == Status::kOutsideProxy);
  CHECK(fetch_from(0, UINT64_MAX) == Status::kLengthOverflow);
  CHECK(fetch_from(0, 0) == Status::kMalformed);
  CHECK(sender.channel().staging[1] == std::byte{0});
}

TEST_CASE_FIXTURE(FetchFixture, "a fetch to memory that cannot be written is refused") {
  const auto import = connect(0, 1 << 20);
  CHECK(fetch(import, 0, LocalPlace::kStaged, sender.local(100, wire::kStagingBytes - 99)) ==
        Status::kBadSource);
  CHECK(fetch(import, 0, LocalPlace::kSegment, sender.local(100, 1024 * 4096 - 99)) ==
        Status::kBadSource);
  auto unknown = sender.local(100, 0);
  unknown.segment += 1;
  CHECK(fetch(import, 0, LocalPlace::kSegment, unknown) == Status::kBadSource);
  CHECK(fetch(import, 0, LocalPlace::kMemory, sender.local(100, 16)) == Status::kBadSource);
  CHECK(fetch(import, 0, LocalPlace::kMemory, sender.local(100, UINT64_MAX - 50)) ==
        Status::kBadSource);
  void* const read_only = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(read_only != MAP_FAILED);
  CHECK(fetch(import, 0, LocalPlace::kMemory, sender.memory_bytes(read_only, 8)) ==
        Status::kBadSource);
  ::munmap(read_only, 4096);
  sender.process->can_read_memory = false;
  std::uint64_t word = 5;
  CHECK(fetch(import, 0, LocalPlace::kMemory, sender.memory_bytes(&word, 8)) == Status::kBadSource);
  CHECK(word == 5);
}

TEST_CASE_FIXTURE(FetchFixture, "a fetch is never inline and never notifies") {
  const auto import = connect(0, 4096, 1, wire::kExportNotifies);
  CHECK(outcome(sender.publish(sender.next_slot(import, 0), LocalPlace::kInline, 8,
                               wire::Operation::kFetch)) == Status::kMalformed);
  CHECK(outcome(post_fetch(import, 0, LocalPlace::kStaged, sender.local(8, 0), wire::kNotify)) ==
        Status::kMalformed);
  CHECK_FALSE(receiver.take_notification().has_value());
}

TEST_CASE_FIXTURE(FetchFixture, "a fetch keeps its place among the sends") {
  const auto import = connect(0, 4096);
  fill(0, "first!");
  post_fetch(import, 0, LocalPlace::kStaged, sender.local(6, 0));
  sender.post(import, 0, std::as_bytes(std::span("second", 6)));
  post_fetch(import, 0, LocalPlace::kStaged, sender.local(6, 100));
  CHECK(send(import, 0, "third!") == Status::kOk);
  CHECK(text_at(sender.channel().staging, 6) == "first!");
  CHECK(text_at(sender.channel().staging + 100, 6) == "second");
}

TEST_CASE_FIXTURE(FetchFixture,
                  "a long fetch comes in pieces, and is complete when all have come") {
  constexpr std::uint64_t kLength = 3 << 20;
  const auto import = connect(0, kLength);
  std::fill_n(receiver.memory(), kLength, std::byte{1});
  const auto ticket = post_fetch(import, 0, LocalPlace::kSegment, sender.local(kLength, 0));
  CHECK(engine.serve(*sender.process) == Served::kWorked);
  CHECK_FALSE(sender.completed(ticket));
  CHECK(sender.memory()[0] == std::byte{1});
  CHECK(sender.memory()[kLength - 1] == std::byte{0});
  SUBCASE("to the end") {
    CHECK(outcome(ticket) == Status::kOk);
    CHECK(std::count(sender.memory(), sender.memory() + kLength, std::byte{1}) == kLength);
    CHECK(sender.channel().counters.fetches.load() == 1);
  }
  SUBCASE("until the exporter ends") {
    machine.detach(*receiver.process);
    CHECK(outcome(ticket) == Status::kPeerDead);
  }
  SUBCASE("until its own segment goes") {
    CHECK(machine.release_segment(*sender.process, sender.segment) == Status::kOk);
    CHECK(outcome(ticket) == Status::kBadSource);
  }
  SUBCASE("while an unexport waits for it") {
    CHECK_FALSE(machine.unexport(*receiver.process, {{}, 1, 0}).has_value());
    CHECK(late_unexports.empty());
    CHECK(outcome(ticket) == Status::kOk);
    machine.settle_unexports();
    CHECK(late_unexports.size() == 1);
    CHECK(fetch(import, 0, LocalPlace::kStaged, sender.local(8, 0)) == Status::kUnexported);
  }
}

TEST_CASE_FIXTURE(FetchFixture, "a fetch wakes its own process, and not the exporter") {
  const auto import = connect(0, 4096);
  receiver.channel().wake_request.watch_segment = receiver.segment;
  receiver.channel().wake_request.armed = wire::kWakeOnArrival | wire::kWakeOnWatch;
  sender.channel().wake_request.armed = wire::kWakeOnCompletion;
  CHECK(fetch(import, 0, LocalPlace::kStaged, sender.local(8, 0)) == Status::kOk);
  CHECK(receiver.channel().arrivals.count.load() == 0);
  CHECK(sender.channel().arrivals.count.load() == 1);
}

TEST_CASE_FIXTURE(FetchFixture, "fetches of random sizes and places") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  constexpr std::uint64_t kLength = 1'000'000;
  const auto import = connect(1236, kLength);
  for (std::uint64_t i = 0; i < kLength; ++i) receiver.memory()[1236 + i] = std::byte(random());
  std::vector<std::byte> ordinary(kLength);
  for (int round = 0; round < 200; ++round) {
    const auto place = static_cast<LocalPlace>(2 + random() % 3);
    const std::uint64_t limit = place == LocalPlace::kStaged ? wire::kStagingBytes : kLength;
    const std::uint64_t length = 1 + random() % (limit - 1) / (1 + random() % 1000);
    const std::uint64_t to = random() % (limit - length + 1);
    const std::uint64_t from = random() % (kLength - length + 1);
    std::byte* const base = place == LocalPlace::kStaged    ? sender.channel().staging
                            : place == LocalPlace::kSegment ? sender.memory()
                                                            : ordinary.data();
    std::fill_n(base, limit, std::byte{0});
    const auto bytes = place == LocalPlace::kMemory ? sender.memory_bytes(base + to, length)
                                                    : sender.local(length, to);
    REQUIRE(fetch(import, from, place, bytes) == Status::kOk);
    const std::byte* const source = receiver.memory() + 1236 + from;
    REQUIRE(std::equal(source, source + length, base + to));
    const auto untouched = [](std::byte byte) { return byte == std::byte{0}; };
    REQUIRE(std::all_of(base, base + to, untouched));
    REQUIRE(std::all_of(base + to + length, base + limit, untouched));
  }
}
