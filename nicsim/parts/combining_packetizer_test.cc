// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/combining_packetizer.h"

#include <doctest/doctest.h>

#include <deque>
#include <vector>

#include "nicsim/parts/testing/tables.h"

using namespace vmmc;
using namespace vmmc::nicsim::parts;
using vmmc::nicsim::OutgoingPageTable;

namespace {

// Stores to one buffer of 3 pages, as they come from the snoop logic.
struct Fixture : CombiningPacketizer::Port {
  EventQueue queue;
  PacketPool pool;
  DepartureOrder order;
  nicsim::parts::testing::Tables tables{2};
  OutgoingPageTable& process = tables.add_process();
  nicsim::parts::testing::Exported& buffer = tables.export_pages(1, 3);
  std::uint64_t proxy = tables.import(process, buffer);
  nicsim::model::PacketizerParameters parameters{
      .latency_ns = 40, .max_payload_bytes = 64, .combining = 1, .timer_ns = 2000};
  CombiningPacketizer packetizer{queue, parameters, {.lookup_ns = 7}, order, pool, *this};
  std::deque<Operation> operations;
  struct Out {
    Time time;
    std::uint32_t page;
    std::uint32_t offset;
    std::uint32_t length;
    bool operator==(const Out&) const = default;
  };
  std::vector<Out> out;
  std::vector<std::size_t> operations_of;  // each packet's
  std::vector<std::byte> bytes;            // of all packets

  void packetized(NetworkPacket& packet) override {
    CHECK(packet.payload == packet.packet.length);
    CHECK(packet.destination == 1);
    out.push_back({queue.now(), packet.packet.incoming_page - buffer.first_page,
                   packet.packet.offset, packet.packet.length});
    std::size_t count = 1;
    while (!packet.earlier.empty()) {
      packet.earlier.pop();
      ++count;
    }
    operations_of.push_back(count);
    bytes.insert(bytes.end(), packet.content.begin(), packet.content.end());
  }

  Snooped make(std::uint64_t offset, Combining combining, std::uint32_t length = 4) {
    Operation& operation = operations.emplace_back();
    operation.kind = OperationKind::kAutomaticUpdate;
    operation.combining = combining;
    operation.destinations = &process;
    operation.destination = proxy + offset;
    operation.length = length;
    operation.remote_node = 1;
    Snooped store{Snooped::Kind::kStore, &operation, 0, length};
    for (std::uint32_t i = 0; i < length; ++i) store.bytes[i] = static_cast<std::byte>(offset + i);
    return store;
  }
  void store(std::uint64_t offset, Combining combining, std::uint32_t length = 4) {
    packetizer.store(make(offset, combining, length));
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "packetizer: single write, each store is a packet") {
  store(0, Combining::kSingleWrite);
  store(4, Combining::kSingleWrite);
  queue.run();
  CHECK(out == std::vector<Out>{{47000, 0, 0, 4}, {47000, 0, 4, 4}});
  CHECK(packetizer.counters().packets == 2);
}

TEST_CASE_FIXTURE(Fixture, "packetizer: block write, until a store does not follow") {
  for (std::uint64_t i = 0; i < 3; ++i) store(4 * i, Combining::kBlockWrite);
  queue.run_until(from_ns(100000));
  CHECK(out.empty());
  store(16, Combining::kBlockWrite);
  queue.run();
  CHECK(out == std::vector<Out>{{100047000, 0, 0, 12}});
  CHECK(operations_of == std::vector<std::size_t>{3});
  for (std::size_t i = 0; i < bytes.size(); ++i) CHECK(bytes[i] == static_cast<std::byte>(i));
  packetizer.flush();
  packetizer.flush();
  queue.run();
  REQUIRE(out.size() == 2);
  CHECK(out[1] == Out{100094000, 0, 16, 4});
  CHECK(packetizer.counters().closed_by_other == 1);
  CHECK(packetizer.counters().closed_by_flush == 1);
}

TEST_CASE_FIXTURE(Fixture, "packetizer: timer write, from the first store on") {
  store(0, Combining::kTimerWrite);
  queue.run_until(from_ns(1900));
  store(4, Combining::kTimerWrite);
  queue.run();
  CHECK(out == std::vector<Out>{{2047000, 0, 0, 8}});
  CHECK(packetizer.counters().closed_by_timer == 1);
}

TEST_CASE_FIXTURE(Fixture, "packetizer: the timer of a packet that has left closes no other") {
  store(0, Combining::kTimerWrite);
  queue.run_until(from_ns(1000));
  store(100, Combining::kTimerWrite);
  queue.run_until(from_ns(2500));
  CHECK(out.size() == 1);
  queue.run();
  CHECK(out[1].time == from_ns(3047));
}

TEST_CASE_FIXTURE(Fixture,
                  "packetizer: the end of the page and the longest payload close a packet") {
  store(4092, Combining::kBlockWrite);
  store(4096, Combining::kBlockWrite);
  for (std::uint64_t i = 1; i < 17; ++i) store(4096 + 4 * i, Combining::kBlockWrite);
  queue.run();
  CHECK(out == std::vector<Out>{{47000, 0, 4092, 4}, {47000, 1, 0, 64}});
  CHECK(packetizer.counters().closed_full == 2);
}

TEST_CASE_FIXTURE(Fixture, "packetizer: a store across the end of a page is two packets") {
  store(4092, Combining::kSingleWrite, 8);
  queue.run();
  CHECK(out == std::vector<Out>{{47000, 0, 4092, 4}, {47000, 1, 0, 4}});
  CHECK(operations.front().packets_out == 2);
}

TEST_CASE_FIXTURE(Fixture, "packetizer: another binding's store closes the packet") {
  SUBCASE("another process") {
    OutgoingPageTable& other = tables.add_process();
    REQUIRE(tables.import(other, buffer) == proxy);
    store(0, Combining::kBlockWrite);
    Snooped theirs = make(4, Combining::kBlockWrite);
    theirs.operation->destinations = &other;
    packetizer.store(theirs);
  }
  SUBCASE("another mode") {
    store(0, Combining::kBlockWrite);
    store(4, Combining::kTimerWrite);
  }
  SUBCASE("notification") {
    store(0, Combining::kBlockWrite);
    Snooped notifying = make(4, Combining::kBlockWrite);
    notifying.operation->notify = true;
    packetizer.store(notifying);
  }
  CHECK(packetizer.counters().closed_by_other == 1);
  CHECK(packetizer.counters().packets == 2);
}

TEST_CASE_FIXTURE(Fixture, "packetizer: without combining, no mode combines") {
  parameters.combining = 0;
  CombiningPacketizer single(queue, parameters, {.lookup_ns = 7}, order, pool, *this);
  single.store(make(0, Combining::kBlockWrite));
  single.store(make(4, Combining::kTimerWrite));
  queue.run();
  CHECK(out.size() == 2);
}

TEST_CASE_FIXTURE(Fixture, "packetizer: one timer, however many packets it was for") {
  constexpr std::uint64_t kPackets = 1000;
  for (std::uint64_t i = 0; i < kPackets; ++i) {
    store(8 * (i % 100), Combining::kTimerWrite);
    queue.run_until(queue.now() + 1000);
  }
  queue.run();
  CHECK(out.size() == kPackets);
  CHECK(out.back().time == from_ns(kPackets - 1 + 2047));
  CHECK(packetizer.counters().closed_by_timer == 1);
  CHECK(queue.executed() <= kPackets + 3);  // each one's way out, and the timer's
}

TEST_CASE_FIXTURE(Fixture,
                  "packetizer: a packet without timer stays open when an older timer runs out") {
  store(0, Combining::kTimerWrite);
  queue.run_until(from_ns(1000));
  store(100, Combining::kBlockWrite);
  queue.run();
  CHECK(out.size() == 1);
  CHECK(packetizer.has_open_packet());
  store(200, Combining::kTimerWrite);
  queue.run();
  CHECK(out.size() == 3);
  CHECK_FALSE(packetizer.has_open_packet());
}

TEST_CASE_FIXTURE(Fixture, "packetizer: each packet is looked up once") {
  store(0, Combining::kBlockWrite);
  store(4, Combining::kBlockWrite);
  CHECK(packetizer.lookups().lookups == 1);
  store(8 * 4096, Combining::kSingleWrite);
  CHECK(packetizer.lookups().lookups == 2);
  CHECK(packetizer.lookups().no_entry == 1);
}
