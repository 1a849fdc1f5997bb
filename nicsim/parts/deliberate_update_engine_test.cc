// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/deliberate_update_engine.h"

#include <doctest/doctest.h>

#include <deque>
#include <vector>

#include "nicsim/parts/testing/tables.h"

using namespace vmmc::nicsim;
using namespace vmmc::nicsim::parts;

namespace {

// An engine with a queue of this depth. Packets of up to 100 bytes; the test takes them.
struct Engine : SourceReader::Port {
  explicit Engine(double queue_depth) : model(model_of(queue_depth)) {}

  static model::TimingModel model_of(double queue_depth) {
    model::TimingModel made = parts::testing::test_model();
    made.packetizer.max_payload_bytes = 100;
    made.deliberate_update_engine.queue_depth = queue_depth;
    return made;
  }

  EventQueue queue;
  PacketPool pool;
  parts::testing::Tables tables{2};
  OutgoingPageTable& process = tables.add_process();
  std::uint64_t proxy = tables.import(process, tables.export_pages(1, 4));
  model::TimingModel model;
  InputOutputBus bus{queue, model.input_output_bus};
  SourceReader reader{queue, model, bus, pool, *this};
  DeliberateUpdateEngine engine{model.deliberate_update_engine, reader};
  std::deque<Operation> operations;
  std::vector<const Operation*> transfers_read;
  std::uint32_t packets_read = 0;

  void read(SourceReader&, NetworkPacket& packet) override {
    ++packets_read;
    engine.packet_read(packet.payload);
  }
  void job_read(SourceReader&, const SourceReader::Job& job) override {
    transfers_read.push_back(job.operation);
    engine.transfer_read();
  }
  void packet_ready() override { reader.take(); }

  SourceReader::Job transfer(std::uint32_t length, std::uint64_t offset = 0) {
    Operation& operation = operations.emplace_back();
    operation.destinations = &process;
    operation.destination = proxy;
    operation.length = length;
    operation.remote_node = 1;
    return {Purpose::kUpdate, &operation, offset, length, {}};
  }
};

}  // namespace

TEST_CASE("engine: as many as it has places are accepted, and the next one is turned down") {
  for (const std::size_t places : {1u, 2u, 8u}) {
    Engine e(static_cast<double>(places - 1));
    for (std::size_t i = 0; i < places; ++i) {
      CHECK(e.engine.has_place());
      CHECK(e.engine.initiate(e.transfer(50)).initiated);
    }
    CHECK_FALSE(e.engine.has_place());
    const InitiationStatus status = e.engine.initiate(e.transfer(50));
    CHECK_FALSE(status.initiated);
    CHECK(status.transferring);
    CHECK(e.engine.counters().initiations == places);
    CHECK(e.engine.counters().turned_down == 1);
    CHECK(e.reader.jobs() == places);
    while (e.transfers_read.empty()) REQUIRE(e.queue.step());
    CHECK(e.engine.has_place());
    CHECK(e.engine.initiate(e.transfer(50)).initiated);
    CHECK_FALSE(e.engine.has_place());
  }
}

TEST_CASE("engine: transfers are read in the order of their initiations") {
  Engine e(3);
  for (int i = 0; i < 4; ++i) REQUIRE(e.engine.initiate(e.transfer(250)).initiated);
  e.queue.run();
  REQUIRE(e.transfers_read.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(e.transfers_read[i] == &e.operations[i]);
  CHECK(e.packets_read == 12);
}

TEST_CASE("engine: without a queue the status tells how much is left, and whose it is") {
  Engine e(0);
  CHECK(e.engine.initiate(e.transfer(250)).remaining == 250);
  while (e.packets_read == 0) REQUIRE(e.queue.step());
  const InitiationStatus same = e.engine.initiate(e.transfer(50));
  CHECK(same.transferring);
  CHECK(same.match);
  CHECK(same.remaining == 150);
  CHECK_FALSE(e.engine.initiate(e.transfer(50, 512)).match);
}

TEST_CASE("engine: what was turned down has changed nothing and is accepted later") {
  Engine e(0);
  REQUIRE(e.engine.initiate(e.transfer(50)).initiated);
  const SourceReader::Job again = e.transfer(80);
  CHECK_FALSE(e.engine.initiate(again).initiated);
  CHECK(again.operation->bytes_begun == 0);
  e.queue.run();
  CHECK(e.transfers_read.size() == 1);
  CHECK(e.engine.initiate(again).initiated);
  e.queue.run();
  CHECK(e.transfers_read.back() == again.operation);
  CHECK(again.operation->bytes_begun == 80);
}
