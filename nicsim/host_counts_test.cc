// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What importers say that they have moved themselves, in the counters of both sides.

#include <doctest/doctest.h>

#include <cstdint>
#include <utility>

#include "nicsim/testing/lending_fixture.h"
#include "nicsim/transfer_engine.h"

using namespace vmmc;
using nicsim::testing::FakeClient;
using nicsim::testing::LendingFixture;
using wire::ExecutorDemand;
using wire::ImportPhase;
using wire::Status;

namespace {

struct Sums {
  std::uint64_t transfers;
  std::uint64_t bytes;
  bool operator==(const Sums&) const = default;
};

struct CountsFixture : LendingFixture {
  Memory memory = export_lendable(1);

  // What the library does after a transfer of its own.
  static void move(FakeClient& client, const wire::ImportReply& import, std::uint64_t transfers,
                   std::uint64_t bytes) {
    wire::HostCounts& counts = client.channel().host_counts[import.import_slot];
    counts.transfers.fetch_add(transfers);
    counts.bytes_beyond_words.fetch_add(bytes - 8 * transfers);
  }
  static void claim(FakeClient& client, std::uint32_t slot, std::uint64_t number) {
    client.channel().host_counts[slot].transfers.store(number);
    client.channel().host_counts[slot].bytes_beyond_words.store(number);
  }
  static Sums sent(FakeClient& client) {
    const auto& counters = client.channel().counters;
    return {counters.transfers_sent, counters.bytes_sent};
  }
  static Sums received(FakeClient& client) {
    const auto& counters = client.channel().counters;
    return {counters.transfers_received, counters.bytes_received};
  }
  static std::uint64_t by_host(FakeClient& client) {
    return client.channel().counters.host_transfers;
  }
  void read_counters(FakeClient& client) {
    CHECK(machine.read_counters(*client.process) == Status::kOk);
  }
};

}  // namespace

TEST_CASE_FIXTURE(CountsFixture, "both sides can ask, as often as they like") {
  const auto import = CountsFixture::import(importer, 1).reply;
  move(importer, import, 3, 300);
  CHECK(sent(importer) == Sums{0, 0});
  read_counters(other);  // has no part in it
  CHECK(sent(importer) == Sums{0, 0});
  FakeClient* first = &importer;
  FakeClient* second = &exporter;
  SUBCASE("the importer first") {}
  SUBCASE("the exporter first") { std::swap(first, second); }
  read_counters(*first);
  read_counters(*second);
  read_counters(*first);
  CHECK(sent(importer) == Sums{3, 300});
  CHECK(by_host(importer) == 3);
  CHECK(received(exporter) == Sums{3, 300});
  move(importer, import, 1, 50);
  read_counters(*second);
  CHECK(sent(importer) == Sums{4, 350});
  CHECK(by_host(importer) == 4);
  CHECK(received(exporter) == Sums{4, 350});
  // Nobody else, and nothing else.
  CHECK(received(importer) == Sums{0, 0});
  CHECK(sent(exporter) == Sums{0, 0});
  CHECK(by_host(exporter) == 0);
  CHECK(sent(other) == Sums{0, 0});
  CHECK(importer.channel().counters.packets_sent == 0);
  CHECK(importer.channel().counters.inline_transfers == 0);
}

TEST_CASE_FIXTURE(CountsFixture, "importers and imports of one buffer add up") {
  const auto one = import(importer, 1).reply;
  const auto again = import(importer, 1).reply;
  const auto another = import(other, 1).reply;
  const auto own = import(exporter, 1).reply;
  move(importer, one, 1, 10);
  move(importer, again, 2, 200);
  move(other, another, 3, 3000);
  move(exporter, own, 4, 40000);
  read_counters(exporter);
  CHECK(sent(importer) == Sums{3, 210});
  CHECK(sent(other) == Sums{3, 3000});
  CHECK(sent(exporter) == Sums{4, 40000});
  CHECK(received(exporter) == Sums{10, 43210});
}

TEST_CASE_FIXTURE(CountsFixture, "the end of an import is the last look at its numbers") {
  const auto import = CountsFixture::import(importer, 1).reply;
  move(importer, import, 1, 10);
  read_counters(importer);
  move(importer, import, 2, 20);
  SUBCASE("the importer gives it up") { CHECK(unimport(importer, import) == Status::kOk); }
  SUBCASE("the exporter takes it back") {
    CHECK(unexport(1).lent == 1);
    SUBCASE("and the importer then gives it up") {
      CHECK(unimport(importer, import) == Status::kOk);
    }
    SUBCASE("and the importer keeps it") {}
  }
  move(importer, import, 4, 40);  // too late
  read_counters(importer);
  read_counters(exporter);
  CHECK(sent(importer) == Sums{3, 30});
  CHECK(by_host(importer) == 3);
  CHECK(received(exporter) == Sums{3, 30});
}

TEST_CASE_FIXTURE(CountsFixture, "the end of one side leaves the other with the right numbers") {
  const auto import = CountsFixture::import(importer, 1).reply;
  move(importer, import, 3, 30);
  SUBCASE("the importer ends") {
    machine.detach(*importer.process);
    CHECK(received(exporter) == Sums{3, 30});
    move(importer, import, 3, 30);
    read_counters(exporter);
    CHECK(received(exporter) == Sums{3, 30});
  }
  SUBCASE("the exporter ends") {
    machine.detach(*exporter.process);
    CHECK(sent(importer) == Sums{3, 30});
    move(importer, import, 3, 30);
    read_counters(importer);
    CHECK(unimport(importer, import) == Status::kOk);
    CHECK(sent(importer) == Sums{3, 30});
    CHECK(by_host(importer) == 3);
  }
}

TEST_CASE_FIXTURE(CountsFixture,
                  "a process that imports from itself ends with its counters right") {
  const auto import = CountsFixture::import(exporter, 1).reply;
  move(exporter, import, 3, 30);
  machine.detach(*exporter.process);
  CHECK(sent(exporter) == Sums{3, 30});
  CHECK(received(exporter) == Sums{3, 30});
}

TEST_CASE_FIXTURE(CountsFixture, "numbers of a slot's past are not counted for its next import") {
  const Memory second = export_lendable(2);
  const auto first = import(importer, 1).reply;
  move(importer, first, 5, 500);
  CHECK(unimport(importer, first) == Status::kOk);
  move(importer, first, 7, 700);  // by a thread that was late
  const auto next = import(importer, 2).reply;
  REQUIRE(next.import_slot == first.import_slot);
  REQUIRE(next.import_generation == first.import_generation + 1);
  read_counters(importer);
  CHECK(sent(importer) == Sums{5, 500});
  move(importer, next, 1, 1);
  read_counters(exporter);
  CHECK(sent(importer) == Sums{6, 501});
  CHECK(received(exporter) == Sums{6, 501});
}

TEST_CASE_FIXTURE(CountsFixture, "only imports that are lent have numbers") {
  const auto by_nic = import(importer, 1, ExecutorDemand::kNic).reply;
  claim(importer, by_nic.import_slot, 1000);
  claim(importer, 1, 1000);  // no import yet
  claim(importer, wire::kImportSlots - 1, 1000);
  read_counters(importer);
  read_counters(exporter);
  CHECK(unimport(importer, by_nic) == Status::kOk);
  const auto lent = import(importer, 1).reply;
  REQUIRE(lent.import_slot == by_nic.import_slot);
  move(importer, lent, 2, 20);
  const auto lent_too = import(importer, 1).reply;
  REQUIRE(lent_too.import_slot == 1);
  read_counters(importer);
  CHECK(sent(importer) == Sums{2, 20});
  CHECK(received(exporter) == Sums{2, 20});
}

TEST_CASE_FIXTURE(CountsFixture, "a watch changes nothing about the numbers") {
  const auto import = CountsFixture::import(importer, 1).reply;
  move(importer, import, 1, 10);
  CHECK(machine.watch(*other.process, {{}, 1, 0}) == Status::kOk);
  move(importer, import, 1, 10);  // had begun before
  read_counters(importer);
  CHECK(machine.watch(*other.process, {{}, 0, 0}) == Status::kOk);
  read_counters(importer);
  CHECK(sent(importer) == Sums{2, 20});
  CHECK(received(exporter) == Sums{2, 20});
}

TEST_CASE_FIXTURE(CountsFixture, "nicsim moves bytes for an import that is lent, too") {
  nicsim::TransferEngine engine{machine.backplane()};
  const auto import = CountsFixture::import(importer, 1).reply;
  move(importer, import, 3, 30);
  const auto ticket = importer.post(import, 8, std::as_bytes(std::span("abcd", 4)));
  while (engine.serve(*importer.process) == nicsim::TransferEngine::Served::kWorked) {
  }
  REQUIRE(importer.completed(ticket));
  CHECK(importer.result(ticket) == Status::kOk);
  read_counters(importer);
  CHECK(sent(importer) == Sums{4, 34});
  CHECK(received(exporter) == Sums{4, 34});
  CHECK(by_host(importer) == 3);
  CHECK(importer.channel().counters.packets_sent == 1);
}

TEST_CASE_FIXTURE(CountsFixture, "numbers that are lies leave counters wrong and nothing else") {
  nicsim::TransferEngine engine{machine.backplane()};
  const auto liar = import(importer, 1).reply;
  const auto honest = import(other, 1).reply;
  for (const std::uint64_t lie :
       {UINT64_MAX, std::uint64_t{0}, std::uint64_t{1} << 63, std::uint64_t{1}, UINT64_MAX}) {
    claim(importer, liar.import_slot, lie);
    read_counters(importer);
    CHECK(is(importer, liar, ImportPhase::kGrantedToHost));
  }
  move(other, honest, 2, 20);
  read_counters(other);
  CHECK(sent(other) == Sums{2, 20});
  const auto ticket = other.post(honest, 0, std::as_bytes(std::span("abcd", 4)));
  while (engine.serve(*other.process) == nicsim::TransferEngine::Served::kWorked) {
  }
  REQUIRE(other.completed(ticket));
  CHECK(other.result(ticket) == Status::kOk);
  CHECK(is(other, honest, ImportPhase::kGrantedToHost));
  // The sum of what was said, modulo 2^64.
  constexpr std::uint64_t kBytes = 8 * UINT64_MAX + UINT64_MAX;
  CHECK(sent(importer) == Sums{UINT64_MAX, kBytes});
  CHECK(received(exporter) == Sums{UINT64_MAX + 3, kBytes + 24});
  machine.detach(*importer.process);
  CHECK(sent(other) == Sums{3, 24});
  CHECK(unexport(1).lent == 1);
}
