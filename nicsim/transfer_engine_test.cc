// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/transfer_engine.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "nicsim/testing/engine_fixture.h"

using namespace vmmc;
using nicsim::testing::EngineFixture;
using wire::LocalPlace;
using wire::Status;
using Served = nicsim::TransferEngine::Served;

TEST_CASE_FIXTURE(EngineFixture, "inline bytes land at the offset they were sent to") {
  const auto import = connect(100, 8192);
  CHECK(import.destination % 4096 == 100);
  CHECK(send(import, 5, "hello") == Status::kOk);
  CHECK(received(105, 5) == "hello");
  CHECK(received(100, 5) == std::string_view("\0\0\0\0\0", 5));
  CHECK(send(import, 3996 - 3, "crosses") == Status::kOk);  // a page boundary
  CHECK(received(4093, 7) == "crosses");
  CHECK(sender.channel().counters.transfers_sent.load() == 2);
  CHECK(sender.channel().counters.packets_sent.load() == 3);
  CHECK(sender.channel().counters.bytes_sent.load() == 12);
  CHECK(receiver.channel().counters.transfers_received.load() == 2);
}

TEST_CASE_FIXTURE(EngineFixture, "first and last byte must lie in the import that is named") {
  const auto import = connect(100, 8192);
  const auto other = connect(16384 + 100, 100, 2);
  CHECK(send(import, 8192 - 4, "last") == Status::kOk);
  CHECK(send(import, 8192 - 3, "past") == Status::kOutsideProxy);
  CHECK(send(import, 8192, "x") == Status::kOutsideProxy);
  CHECK(send(import, static_cast<std::uint64_t>(-1), "x") == Status::kOutsideProxy);
  CHECK(send(import, ~0ull - import.destination, "xy") == Status::kLengthOverflow);
  auto mixed = import;  // the address of one import with the handle of the other
  mixed.destination = other.destination;
  CHECK(send(mixed, 0, "x") == Status::kOutsideProxy);
  auto stale = import;
  stale.import_generation += 1;
  CHECK(send(stale, 0, "x") == Status::kUnknownImport);
  stale.import_slot = 4000000000u;
  CHECK(send(stale, 0, "x") == Status::kUnknownImport);
  CHECK(sender.channel().counters.transfers_refused.load() == 7);
  CHECK(std::all_of(receiver.memory() + 16384, receiver.memory() + 20480,
                    [](std::byte byte) { return byte == std::byte{0}; }));
}

TEST_CASE_FIXTURE(EngineFixture, "an import without the write right cannot be sent to") {
  REQUIRE(receiver.export_bytes(1, 0, 64) == Status::kOk);
  const auto import =
      machine.import(*sender.process, sender.import_request(receiver, 1, wire::kAccessRead))->reply;
  CHECK(send(import, 0, "x") == Status::kNotWritable);
}

TEST_CASE_FIXTURE(EngineFixture, "every kind of source, of random sizes and places") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  constexpr std::uint64_t kLength = 3'000'000;
  const auto import = connect(1236, kLength);
  std::vector<std::byte> ordinary(kLength);
  for (int round = 0; round < 200; ++round) {
    for (std::size_t i = 0; i < 64; ++i) ordinary[random() % kLength] = std::byte(random());
    const LocalPlace kind = static_cast<LocalPlace>(2 + random() % 3);
    const std::uint64_t limit = kind == LocalPlace::kStaged ? wire::kStagingBytes : kLength;
    const std::uint64_t length = 1 + random() % (limit - 1) / (1 + random() % 1000);
    const std::uint64_t from = random() % (limit - length + 1);
    const std::uint64_t to = random() % (kLength - length + 1);
    wire::LocalBytes source{length, from, 0, 0, 0, 0, 0};
    const std::byte* bytes = ordinary.data() + from;
    if (kind == LocalPlace::kStaged) {
      std::copy_n(bytes, length, sender.channel().staging + from);
    } else if (kind == LocalPlace::kSegment) {
      source.segment = sender.segment;
      std::copy_n(bytes, length, sender.memory() + from);
    } else {
      source.address = reinterpret_cast<std::uint64_t>(bytes);
    }
    const auto ticket = sender.post(import, to, kind, source);
    serve();
    REQUIRE(sender.completed(ticket));
    REQUIRE(sender.result(ticket) == Status::kOk);
    REQUIRE(std::equal(bytes, bytes + length, receiver.memory() + 1236 + to));
  }
}

TEST_CASE_FIXTURE(EngineFixture, "sources that cannot be read") {
  const auto import = connect(0, 1 << 20);
  const auto outcome = [&](LocalPlace kind, wire::LocalBytes source) {
    const auto ticket = sender.post(import, 0, kind, source);
    serve();
    return sender.result(ticket);
  };
  CHECK(outcome(LocalPlace::kStaged, {100, wire::kStagingBytes - 99, 0, 0, 0, 0, 0}) ==
        Status::kBadSource);
  CHECK(outcome(LocalPlace::kStaged, {100, ~0ull - 10, 0, 0, 0, 0, 0}) == Status::kBadSource);
  CHECK(outcome(LocalPlace::kSegment, {100, 0, sender.segment + 1, 0, 0, 0, 0}) ==
        Status::kBadSource);
  CHECK(outcome(LocalPlace::kSegment, {100, 1024 * 4096 - 99, sender.segment, 0, 0, 0, 0}) ==
        Status::kBadSource);
  CHECK(outcome(LocalPlace::kMemory, {100, 16, 0, 0, 0, 0, 0}) == Status::kBadSource);
  CHECK(outcome(LocalPlace::kMemory, {100, ~0ull - 10, 0, 0, 0, 0, 0}) == Status::kBadSource);
  CHECK(outcome(LocalPlace::kMemory, {0, 4096, 0, 0, 0, 0, 0}) == Status::kMalformed);
  CHECK(outcome(static_cast<LocalPlace>(9), {1, 0, 0, 0, 0, 0, 0}) == Status::kMalformed);
  sender.process->can_read_memory = false;
  CHECK(outcome(LocalPlace::kMemory, {8, reinterpret_cast<std::uint64_t>(&import), 0, 0, 0, 0,
                                      0}) == Status::kBadSource);
}

TEST_CASE_FIXTURE(EngineFixture, "random descriptors never reach a byte outside the buffer") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  constexpr std::uint64_t kFirst = 5000;
  constexpr std::uint64_t kLength = 20000;
  const auto import = connect(kFirst, kLength);
  for (int round = 0; round < 50000; ++round) {
    auto forged = import;
    if (random() % 8 == 0) forged.import_slot = static_cast<std::uint32_t>(random());
    if (random() % 8 == 0) forged.import_generation = static_cast<std::uint32_t>(random());
    const std::uint64_t offset = random() % 4 == 0 ? random() : random() % 40000 - 10000;
    wire::SendDescriptor& slot = sender.next_slot(forged, offset);
    slot.local = {random() % 4 == 0 ? random() : random() % 9000,
                  random() % 300000,
                  static_cast<std::uint32_t>(random() % 3),
                  0,
                  0,
                  0,
                  0};
    // Memory sources at random addresses of this process are legal; leave them out, they would
    // prove nothing.
    const auto kind = static_cast<LocalPlace>(random() % 4);
    const auto ticket = sender.publish(slot, kind, static_cast<std::uint16_t>(random() % 50));
    serve();
    REQUIRE(sender.completed(ticket));
  }
  const auto untouched = [&](std::uint64_t from, std::uint64_t to) {
    return std::all_of(receiver.memory() + from, receiver.memory() + to,
                       [](std::byte byte) { return byte == std::byte{0}; });
  };
  CHECK(untouched(0, kFirst));
  CHECK(untouched(kFirst + kLength, 1024 * 4096));
}

TEST_CASE_FIXTURE(EngineFixture,
                  "after unexport nothing arrives, and what was asked for before it does") {
  const auto import = connect(0, 4096);
  const auto before = sender.post(import, 0, std::as_bytes(std::span("before", 6)));
  CHECK_FALSE(machine.unexport(*receiver.process, {{}, 1, 0}).has_value());
  CHECK(late_unexports.empty());
  CHECK(machine.unexport(*receiver.process, {{}, 1, 0}) == Status::kUnknownExport);
  serve();
  machine.settle_unexports();
  CHECK(late_unexports.size() == 1);
  CHECK(sender.result(before) == Status::kOk);
  CHECK(received(0, 6) == "before");
  CHECK(send(import, 0, "after") == Status::kUnexported);
  CHECK(received(0, 6) == "before");
  const auto again = connect(0, 4096);  // the same id, a new buffer
  CHECK(send(import, 0, "stale") == Status::kUnexported);
  CHECK(send(again, 0, "fresh") == Status::kOk);
  CHECK(received(0, 6) == "freshe");
}

TEST_CASE_FIXTURE(EngineFixture,
                  "an exporter or importer that ends in the middle of a long transfer") {
  const auto import = connect(0, 4 << 20);
  const auto ticket =
      sender.post(import, 0, LocalPlace::kSegment, {4 << 20, 0, sender.segment, 0, 0, 0, 0});
  CHECK(engine.serve(*sender.process) == Served::kWorked);
  CHECK_FALSE(sender.completed(ticket));
  SUBCASE("exporter") {
    machine.detach(*receiver.process);
    serve();
    CHECK(sender.result(ticket) == Status::kPeerDead);
  }
  SUBCASE("importer, while the exporter takes the buffer back") {
    CHECK_FALSE(machine.unexport(*receiver.process, {{}, 1, 0}).has_value());
    CHECK(late_unexports.empty());
    machine.detach(*sender.process);
    machine.settle_unexports();
    CHECK(late_unexports.size() == 1);
  }
}

TEST_CASE_FIXTURE(EngineFixture, "a source may overlap its destination") {
  REQUIRE(sender.export_bytes(1, 0, 65536) == Status::kOk);
  const auto import = machine.import(*sender.process, sender.import_request(sender, 1))->reply;
  for (int i = 0; i < 65536; ++i) sender.memory()[i] = std::byte(i * 7 / 3);
  std::vector<std::byte> before(sender.memory(), sender.memory() + 40000);
  const auto ticket =
      sender.post(import, 1000, LocalPlace::kSegment, {40000, 0, sender.segment, 0, 0, 0, 0});
  serve();
  CHECK(sender.result(ticket) == Status::kOk);
  CHECK(std::equal(before.begin(), before.end(), sender.memory() + 1000));
}

TEST_CASE_FIXTURE(EngineFixture,
                  "a long transfer does not go on in an import that came meanwhile") {
  const auto writable = connect(0, 512 * 4096, 1);
  REQUIRE(receiver.export_bytes(2, 512 * 4096, 512 * 4096) == Status::kOk);
  const auto ticket = sender.post(writable, 0, LocalPlace::kSegment,
                                  {.length = 512 * 4096,
                                   .address = 0,
                                   .segment = sender.segment,
                                   .reserved = 0,
                                   .message_length = 0,
                                   .reserved2 = 0,
                                   .immediate = 0});
  std::fill_n(sender.memory(), 512 * 4096, std::byte{7});
  CHECK(engine.serve(*sender.process) == Served::kWorked);  // a first piece
  wire::UnimportRequest unimport{};
  unimport.import_slot = writable.import_slot;
  unimport.import_generation = writable.import_generation;
  REQUIRE(machine.unimport(*sender.process, unimport) == Status::kOk);
  const auto readable =
      machine.import(*sender.process, sender.import_request(receiver, 2, wire::kAccessRead))->reply;
  REQUIRE(readable.destination == writable.destination);  // or this proves nothing
  serve();
  REQUIRE(sender.completed(ticket));
  CHECK(sender.result(ticket) == Status::kUnknownImport);
  CHECK(std::count(receiver.memory() + 512 * 4096, receiver.memory() + 1024 * 4096, std::byte{7}) ==
        0);
}

TEST_CASE_FIXTURE(
    EngineFixture,
    "parking: a published descriptor is never slept on, and an armed client is woken") {
  const auto import = connect(0, 4096);
  CHECK(sender.process->channel.park());
  CHECK(sender.channel().doorbell.nic_sleeps.load() == 1);
  sender.process->channel.unpark();
  sender.post(import, 0, std::as_bytes(std::span("x", 1)));
  CHECK_FALSE(sender.process->channel.park());
  CHECK(sender.channel().doorbell.nic_sleeps.load() == 0);
  receiver.channel().wake_request.armed.store(1);
  serve();
  CHECK(receiver.channel().wake_request.armed.load() == 0);
  CHECK(receiver.channel().arrivals.count.load() == 1);
  CHECK(receiver.channel().counters.wakeups.load() == 1);
  CHECK(sender.channel().arrivals.count.load() == 0);
}
