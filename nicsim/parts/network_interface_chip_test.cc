// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/network_interface_chip.h"

#include <doctest/doctest.h>

#include <deque>
#include <vector>

#include "nicsim/parts/testing/recording_port.h"
#include "nicsim/parts/testing/tables.h"

using namespace vmmc::nicsim;
using namespace vmmc::nicsim::parts;

namespace {

// The chip with what sends through it, and nobody behind it. grant 3, format and send 61; the FIFO's
// latency 53.
struct Fixture : NetworkInterfaceChip::Port,
                 OutgoingFifo::Port,
                 SourceReader::Port,
                 Arbiter::Requester {
  EventQueue queue;
  model::TimingModel model = parts::testing::test_model();
  PacketPool pool;
  DepartureOrder order;
  parts::testing::RecordingPort backplane{queue};
  parts::testing::Tables tables{2};
  OutgoingPageTable& process = tables.add_process();
  std::uint64_t proxy = tables.import(process, tables.export_pages(1, 2));
  InputOutputBus bus{queue, model.input_output_bus};
  OutgoingFifo fifo{queue, model.outgoing_fifo, *this};
  SourceReader engine{queue, model, bus, pool, *this};
  SourceReader replies{queue, model, bus, pool, *this};
  NetworkInterfaceChip chip{queue, model, backplane, order, *this, fifo, engine, replies, *this};
  std::deque<Operation> operations;
  std::vector<NetworkPacket*> lost_ones;

  void lost(NetworkPacket& packet) override { lost_ones.push_back(&packet); }
  void fifo_ready() override { chip.look(); }
  void fifo_threshold() override {}
  void fifo_resumed() override {}
  void fifo_room() override {}
  void read(SourceReader&, NetworkPacket&) override {}
  void job_read(SourceReader&, const SourceReader::Job&) override {}
  void packet_ready() override { chip.look(); }
  bool wants_chip() const override { return false; }  // nothing comes in
  void chip_granted() override {}

  Operation& operation(std::uint64_t length, std::uint32_t remote_node = 1) {
    Operation& made = operations.emplace_back();
    made.destinations = &process;
    made.destination = proxy;
    made.length = length;
    made.remote_node = remote_node;
    return made;
  }
  NetworkPacket& store(std::uint32_t payload) {
    REQUIRE(fifo.reserve(payload));
    NetworkPacket& packet = pool.take();
    packet.operation = &operation(payload);
    packet.payload = payload;
    packet.destination = 1;
    packet.waits_for = order.next();
    packet.order = order.enter(DepartureOrder::stream_of(*packet.operation));
    fifo.enter(packet);
    return packet;
  }
  // Ready 610 + 170 + 10 * length + 48 ns later.
  Operation& transfer(std::uint32_t length, std::uint32_t remote_node = 1) {
    Operation& update = operation(length, remote_node);
    update.order = order.enter(DepartureOrder::stream_of(update));
    engine.add({Purpose::kUpdate, &update, 0, length, {}});
    return update;
  }
  std::uint32_t bytes_of(std::size_t index) const { return backplane.injected[index].parcel.bytes; }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "chip: one packet at a time, and the FIFO keeps its bytes until it has left") {
  store(8);
  store(40);
  queue.run();
  REQUIRE(backplane.injected.size() == 1);
  CHECK(backplane.injected[0].time == from_ns(53 + 3 + 61));
  CHECK(bytes_of(0) == 24);
  CHECK(fifo.filled() == 48);
  chip.injected();
  CHECK(fifo.filled() == 40);
  queue.run();
  REQUIRE(backplane.injected.size() == 2);
  CHECK(bytes_of(1) == 56);
  CHECK(backplane.injected[1].time == from_ns(53 + 3 + 61 + 3 + 61));
  chip.injected();
  CHECK(fifo.filled() == 0);
  CHECK(chip.arbiter_counters().outgoing_grants == 2);
  CHECK(chip.send_counters().packets == 2);
}

TEST_CASE_FIXTURE(Fixture,
                  "chip: what was stored behind a transfer to the same node waits for it") {
  transfer(100);
  store(8);
  queue.run_until(from_ns(700));
  CHECK(backplane.injected.empty());
  queue.run();
  REQUIRE(backplane.injected.size() == 1);
  CHECK(bytes_of(0) == 116);
  CHECK(backplane.injected[0].time == from_ns(610 + 170 + 1000 + 48 + 3 + 61));
  chip.injected();
  queue.run();
  REQUIRE(backplane.injected.size() == 2);
  CHECK(bytes_of(1) == 24);
}

TEST_CASE_FIXTURE(Fixture, "chip: what goes to another node does not wait, nor does an answer") {
  transfer(4096, 0);
  store(8);
  queue.run_until(from_ns(700));
  REQUIRE(backplane.injected.size() == 1);
  CHECK(bytes_of(0) == 24);
  chip.injected();
  // Behind the transfer in the order, but the answer keeps to none.
  replies.add({Purpose::kAtomicReply, &operation(8, 0), 0, 8, {}});
  queue.run_until(from_ns(900));
  REQUIRE(backplane.injected.size() == 2);
  CHECK(bytes_of(1) == kControlPayloadBytes + 16);
}

TEST_CASE_FIXTURE(Fixture,
                  "chip: a packet without a destination ends here, and its bytes are free") {
  store(8).lost = true;
  store(16);
  queue.run();
  CHECK(lost_ones.size() == 1);
  CHECK(fifo.filled() == 16);
  REQUIRE(backplane.injected.size() == 1);
  CHECK(bytes_of(0) == 32);
  Operation& nowhere = transfer(100);
  nowhere.destination = proxy + 2 * 4096;
  chip.injected();
  queue.run();
  CHECK(lost_ones.size() == 2);
  CHECK(backplane.injected.size() == 1);
}
