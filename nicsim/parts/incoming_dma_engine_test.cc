// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/incoming_dma_engine.h"

#include <doctest/doctest.h>

#include <vector>

#include "nicsim/parts/format_and_send.h"
#include "nicsim/parts/testing/tables.h"

using namespace vmmc;
using namespace vmmc::nicsim::parts;

namespace {

// Look-up 71 + 11; on the bus 190 + 10 ns a byte; poll 13.
struct Fixture : IncomingDmaEngine::Port, BackplanePort {
  EventQueue queue;
  PacketPool pool;
  nicsim::parts::testing::Tables tables{2};
  nicsim::parts::testing::Exported& buffer = tables.export_pages(1, 1);
  nicsim::model::TimingModel model = nicsim::parts::testing::test_model();
  InputOutputBus bus{queue, model.input_output_bus};
  IncomingDmaEngine incoming{queue, model, tables.backplane, bus, *this};
  struct Landed {
    double time;
    std::uint32_t payload;
    bool refused;
    bool operator==(const Landed&) const = default;
  };
  std::vector<Landed> all;
  int rooms = 0;
  std::vector<Parcel> injections;

  void incoming_ready() override { incoming.chip_granted(); }
  void incoming_room() override { ++rooms; }
  void landed(NetworkPacket& packet) override {
    all.push_back({to_ns(queue.now()), packet.payload, packet.refused});
  }
  void inject(const Parcel& parcel) override { injections.push_back(parcel); }
  void room_freed(std::uint32_t) override {}
  const Counters& counters() const override { return none; }
  Counters none;

  NetworkPacket& packet(std::uint32_t bytes, Purpose purpose = Purpose::kUpdate) {
    NetworkPacket& made = pool.take();
    made.purpose = purpose;
    made.payload = bytes;
    made.packet = {.node = 1,
                   .incoming_page = buffer.first_page,
                   .incoming_generation = 0,
                   .offset = 0,
                   .length = bytes};
    return made;
  }
  void arrive(NetworkPacket& arriving) {
    REQUIRE(incoming.reserve(arriving.payload + 16));
    incoming.arrived(arriving);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "incoming DMA engine: look-up, bus, and then it is seen") {
  arrive(packet(8));
  arrive(packet(100));
  queue.run();
  // The second one's look-up is over when the first one is on the bus.
  const double first = 71 + 11 + 190 + 80;
  CHECK(all == std::vector<Landed>{{first + 13, 8, false}, {first + 190 + 1000 + 13, 100, false}});
  CHECK(rooms == 2);
  CHECK(incoming.counters().packets == 2);
  CHECK(incoming.counters().bytes == 108);
  CHECK(incoming.counters().refused == 0);
}

TEST_CASE_FIXTURE(Fixture, "incoming DMA engine: a refused packet takes its turn and no bus") {
  NetworkPacket& old = packet(200);
  old.packet.incoming_generation = 7;
  arrive(packet(8));
  arrive(old);
  arrive(packet(8));
  queue.run();
  const double first = 71 + 11 + 190 + 80;
  CHECK(all == std::vector<Landed>{{first + 13, 8, false},
                                   {first + 13, 200, true},
                                   {first + 190 + 80 + 13, 8, false}});
  CHECK(incoming.counters().refused == 1);
  CHECK(to_ns(bus.counters().held_ps[1]) == 2 * (190 + 80));
}

TEST_CASE_FIXTURE(Fixture, "incoming DMA engine: a page that is disabled during the DMA") {
  arrive(packet(8));
  queue.run_until(from_ns(200));
  tables.disable(buffer);
  queue.run();
  REQUIRE(all.size() == 1);
  CHECK(all[0].refused);
}

TEST_CASE_FIXTURE(Fixture, "incoming DMA engine: requests do not overtake, and need not be seen") {
  arrive(packet(8, Purpose::kFetchRequest));
  queue.run();
  CHECK(all[0].time == 71 + 11);
  arrive(packet(8));
  arrive(packet(8, Purpose::kFetchRequest));
  queue.run();
  REQUIRE(all.size() == 3);
  CHECK(all[1].time == all[2].time);
}

TEST_CASE_FIXTURE(Fixture, "incoming DMA engine: no more than its FIFO holds") {
  CHECK(incoming.reserve(16000));
  CHECK_FALSE(incoming.reserve(385));
  CHECK(incoming.reserve(384));
  CHECK(incoming.counters().no_room == 1);
  CHECK(incoming.counters().most_bytes == 16384);
}

TEST_CASE_FIXTURE(Fixture, "incoming DMA engine: bytes leave the FIFO when they are in memory") {
  CHECK(incoming.reserve(16384 - 24));
  arrive(packet(8));
  CHECK_FALSE(incoming.reserve(1));
  queue.run_until(from_ns(71 + 11 + 190 + 80 - 1));
  CHECK_FALSE(incoming.reserve(1));
  queue.run();
  CHECK(incoming.reserve(24));
}

TEST_CASE_FIXTURE(Fixture, "format and send: a header more, after its latency, one at a time") {
  FormatAndSend send(queue, model.format_and_send, *this);
  NetworkPacket& one = packet(40);
  one.source = 0;
  one.destination = 1;
  CHECK(send.free());
  send.take(one);
  CHECK_FALSE(send.free());
  CHECK(injections.empty());
  queue.run();
  CHECK(queue.now() == from_ns(61));
  REQUIRE(injections.size() == 1);
  CHECK(injections[0].source == 0);
  CHECK(injections[0].destination == 1);
  CHECK(injections[0].bytes == 56);
  CHECK_FALSE(send.free());
  send.injected();
  CHECK(send.free());
  CHECK(send.counters().packets == 1);
  CHECK(send.counters().bytes == 56);
}
