// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Atomic operations on words of a remote buffer.

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "nicsim/testing/engine_fixture.h"

using namespace vmmc;
using nicsim::testing::EngineFixture;
using wire::AtomicKind;
using wire::Status;

namespace {

struct AtomicFixture : EngineFixture {
  std::uint64_t post(const wire::ImportReply& import, std::uint64_t offset, AtomicKind kind,
                     std::uint32_t width, std::uint64_t operand, std::uint64_t expected = 0) {
    return sender.post_atomic(import, offset, {kind, width, operand, expected, {}});
  }
  // What the word was before.
  std::uint64_t change(const wire::ImportReply& import, std::uint64_t offset, AtomicKind kind,
                       std::uint32_t width, std::uint64_t operand, std::uint64_t expected = 0) {
    const auto ticket = post(import, offset, kind, width, operand, expected);
    REQUIRE(outcome(ticket) == Status::kOk);
    return sender.previous(ticket);
  }
  template <typename Word>
  Word& word(std::uint64_t offset) {
    return *reinterpret_cast<Word*>(receiver.memory() + offset);
  }
};

}  // namespace

TEST_CASE_FIXTURE(AtomicFixture, "each kind changes a word of 8 bytes and gives what it was") {
  const auto import = connect(0, 4096);
  auto& target = word<std::uint64_t>(16);
  target = UINT64_MAX;
  CHECK(change(import, 16, AtomicKind::kFetchAdd, 8, 3) == UINT64_MAX);
  CHECK(target == 2);
  CHECK(change(import, 16, AtomicKind::kSwap, 8, 0x1122334455667788) == 2);
  CHECK(target == 0x1122334455667788);
  CHECK(change(import, 16, AtomicKind::kCompareSwap, 8, 9, 0x1122334455667789) ==
        0x1122334455667788);
  CHECK(target == 0x1122334455667788);
  CHECK(change(import, 16, AtomicKind::kCompareSwap, 8, 9, 0x1122334455667788) ==
        0x1122334455667788);
  CHECK(target == 9);
  CHECK(word<std::uint64_t>(8) == 0);
  CHECK(word<std::uint64_t>(24) == 0);
}

TEST_CASE_FIXTURE(AtomicFixture, "of a word of 4 bytes only the low half of the operands counts") {
  const auto import = connect(0, 4096);
  constexpr std::uint64_t kHigh = std::uint64_t{0xdeadbeef} << 32;
  auto& target = word<std::uint32_t>(20);
  word<std::uint32_t>(24) = 77;
  target = 0xffffffff;
  CHECK(change(import, 20, AtomicKind::kFetchAdd, 4, kHigh | 3) == 0xffffffff);
  CHECK(target == 2);
  CHECK(change(import, 20, AtomicKind::kSwap, 4, kHigh | 5) == 2);
  CHECK(target == 5);
  CHECK(change(import, 20, AtomicKind::kCompareSwap, 4, kHigh | 8, 6) == 5);
  CHECK(target == 5);
  CHECK(change(import, 20, AtomicKind::kCompareSwap, 4, 8, kHigh | 5) == 5);
  CHECK(target == 8);
  CHECK(word<std::uint32_t>(16) == 0);
  CHECK(word<std::uint32_t>(24) == 77);
}

TEST_CASE_FIXTURE(AtomicFixture, "the word must be aligned in memory, and lie in the buffer") {
  const auto import = connect(4, 4096);
  const auto at = [&](std::uint64_t offset, std::uint32_t width) {
    return outcome(post(import, offset, AtomicKind::kSwap, width, ~std::uint64_t{0}));
  };
  CHECK(at(4, 8) == Status::kOk);
  CHECK(at(0, 8) == Status::kMisaligned);
  CHECK(at(6, 8) == Status::kMisaligned);
  CHECK(at(1, 4) == Status::kMisaligned);
  CHECK(at(2, 4) == Status::kMisaligned);
  CHECK(at(0, 4) == Status::kOk);
  CHECK(at(4092, 4) == Status::kOk);  // the last word, on the second page
  CHECK(at(4092, 8) == Status::kOutsideProxy);
  CHECK(at(4096, 4) == Status::kOutsideProxy);
  CHECK(at(static_cast<std::uint64_t>(-4), 4) == Status::kOutsideProxy);
  CHECK(word<std::uint32_t>(0) == 0);
  CHECK(word<std::uint32_t>(4100) == 0);
}

TEST_CASE_FIXTURE(AtomicFixture, "an atomic operation needs both rights") {
  REQUIRE(receiver.export_bytes(1, 0, 64) == Status::kOk);
  const auto with = [&](std::uint32_t access) {
    return outcome(post(import(1, access), 0, AtomicKind::kFetchAdd, 8, 1));
  };
  CHECK(with(wire::kAccessRead) == Status::kNotWritable);
  CHECK(with(wire::kAccessWrite) == Status::kNotReadable);
  CHECK(word<std::uint64_t>(0) == 0);
  CHECK(with(kBothRights) == Status::kOk);
  CHECK(word<std::uint64_t>(0) == 1);
}

TEST_CASE_FIXTURE(AtomicFixture, "operands that make no sense are refused") {
  const auto import = connect(0, 4096, 1, wire::kExportNotifies);
  for (const std::uint32_t kind : {0u, 4u, 0xffffffffu}) {
    CHECK(outcome(post(import, 0, static_cast<AtomicKind>(kind), 8, 1)) == Status::kMalformed);
  }
  for (const std::uint32_t width : {0u, 1u, 2u, 3u, 16u, 0x80000000u, 0xffffffffu}) {
    CHECK(outcome(post(import, 0, AtomicKind::kSwap, width, 1)) == Status::kMalformed);
  }
  const auto with_header = [&](wire::LocalPlace place, std::uint8_t flags) {
    wire::SendDescriptor& slot = sender.next_slot(import, 0);
    slot.atomic = {AtomicKind::kSwap, 8, 1, 0, {}};
    return outcome(sender.publish(slot, place, 0, wire::Operation::kAtomic, flags));
  };
  CHECK(with_header(wire::LocalPlace::kSegment, 0) == Status::kMalformed);
  CHECK(with_header(wire::LocalPlace::kMemory, 0) == Status::kMalformed);
  CHECK(with_header(wire::LocalPlace::kInline, wire::kNotify) == Status::kMalformed);
  CHECK(with_header(wire::LocalPlace::kInline, 2) == Status::kMalformed);
  CHECK(word<std::uint64_t>(0) == 0);
  CHECK_FALSE(receiver.take_notification().has_value());
  CHECK(sender.channel().counters.atomics.load() == 0);
}

TEST_CASE_FIXTURE(AtomicFixture,
                  "each send slot has its own previous value, and the slots go round") {
  const auto import = connect(0, 4096);
  for (std::uint64_t round = 0; round < 3; ++round) {
    const std::uint64_t first = sender.tickets();
    for (std::uint64_t i = 0; i < wire::kSendSlots; ++i) {
      post(import, 8, AtomicKind::kFetchAdd, 8, 1);
    }
    serve();
    for (std::uint64_t i = 0; i < wire::kSendSlots; ++i) {
      REQUIRE(sender.completed(first + i));
      REQUIRE(sender.previous(first + i) == round * wire::kSendSlots + i);
    }
  }
  CHECK(sender.channel().counters.atomics.load() == 3 * wire::kSendSlots);
}

TEST_CASE_FIXTURE(AtomicFixture, "an atomic operation is an arrival of its word") {
  const auto import = connect(0, 4096);
  receiver.channel().wake_request.watch_segment = receiver.segment;
  receiver.channel().wake_request.watch_offset = 64;
  receiver.channel().wake_request.armed = wire::kWakeOnWatch;
  change(import, 72, AtomicKind::kSwap, 8, 1);
  CHECK(receiver.channel().arrivals.count.load() == 0);
  change(import, 64, AtomicKind::kSwap, 8, 1);
  CHECK(receiver.channel().arrivals.count.load() == 1);
  CHECK(receiver.channel().counters.transfers_received.load() == 2);
  CHECK(receiver.channel().counters.bytes_received.load() == 16);
  CHECK(sender.channel().counters.transfers_sent.load() == 0);
}

TEST_CASE_FIXTURE(AtomicFixture,
                  "atomic with respect to the exporter's own processor, in both widths") {
  const auto import = connect(0, 4096);
  constexpr std::uint32_t kRounds = 100'000;
  std::atomic<bool> began = false;
  std::thread exporter([&] {
    began = true;
    for (std::uint32_t i = 0; i < kRounds; ++i) {
      std::atomic_ref(word<std::uint64_t>(0)).fetch_add(1);
      std::atomic_ref(word<std::uint32_t>(8)).fetch_add(1);
    }
  });
  while (!began) std::this_thread::yield();
  for (std::uint32_t i = 0; i < kRounds; ++i) {
    post(import, 0, AtomicKind::kFetchAdd, 8, 1);
    post(import, 8, AtomicKind::kFetchAdd, 4, 1);
    if (i % 64 == 0) serve();
  }
  serve();
  exporter.join();
  CHECK(word<std::uint64_t>(0) == 2 * kRounds);
  CHECK(word<std::uint32_t>(8) == 2 * kRounds);
}
