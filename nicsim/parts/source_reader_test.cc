// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/source_reader.h"

#include <doctest/doctest.h>

#include <deque>
#include <vector>

#include "nicsim/parts/testing/tables.h"

using namespace vmmc;
using namespace vmmc::nicsim::parts;

namespace {

// start 610, per packet 170 + 10 ns a byte; packetizer 41 and look-up 7.
struct Fixture : SourceReader::Port {
  EventQueue queue;
  PacketPool pool;
  nicsim::parts::testing::Tables tables{2};
  nicsim::OutgoingPageTable& process = tables.add_process();
  nicsim::parts::testing::Exported& buffer = tables.export_pages(1, 4);
  std::uint64_t proxy = tables.import(process, buffer);
  nicsim::model::TimingModel model = [] {
    nicsim::model::TimingModel made = nicsim::parts::testing::test_model();
    made.packetizer.max_payload_bytes = 100;
    return made;
  }();
  InputOutputBus bus{queue, model.input_output_bus};
  SourceReader reader{queue, model, bus, pool, *this};
  std::deque<Operation> operations;
  std::vector<double> read_at;
  std::vector<double> ready_at;
  std::vector<double> jobs_read_at;

  void read(SourceReader&, NetworkPacket&) override { read_at.push_back(to_ns(queue.now())); }
  void job_read(SourceReader&, const SourceReader::Job&) override {
    jobs_read_at.push_back(to_ns(queue.now()));
  }
  void packet_ready() override { ready_at.push_back(to_ns(queue.now())); }

  SourceReader::Job transfer(std::uint32_t length, Purpose purpose = Purpose::kUpdate) {
    Operation& operation = operations.emplace_back();
    operation.destinations = &process;
    operation.destination = proxy;
    operation.length = length;
    operation.remote_node = 1;
    return {purpose, &operation, 0, length, {}};
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "source reader: two buffers, then it waits until a packet is taken") {
  reader.add(transfer(350));
  queue.run();
  CHECK(read_at == std::vector<double>{610 + 1170, 610 + 2340});
  CHECK(ready_at == std::vector<double>{610 + 1170 + 48, 610 + 2340 + 48});
  CHECK(jobs_read_at.empty());
  CHECK(reader.first()->packet.offset == 0);
  CHECK(reader.first()->payload == 100);
  reader.take();
  queue.run();
  CHECK(read_at.size() == 3);
  CHECK(reader.first()->packet.offset == 100);
  reader.take();
  queue.run();
  CHECK(jobs_read_at.size() == 1);
  reader.take();
  CHECK(reader.first()->payload == 50);
  CHECK(reader.first()->last);
  reader.take();
  CHECK(reader.first() == nullptr);
  CHECK(reader.counters().packets == 4);
  CHECK(reader.counters().bytes == 350);
  CHECK(operations.front().packets_out == 4);
  CHECK(operations.front().bytes_begun == 350);
}

TEST_CASE_FIXTURE(Fixture, "source reader: the next job starts when the last one has been read") {
  reader.add(transfer(50));
  reader.add(transfer(20));
  queue.run();
  CHECK(jobs_read_at == std::vector<double>{610 + 670, 610 + 670 + 610 + 370});
}

TEST_CASE_FIXTURE(Fixture,
                  "source reader: a request reads nothing and names all that it asks for") {
  reader.add(transfer(300, Purpose::kFetchRequest));
  queue.run();
  CHECK(ready_at == std::vector<double>{610 + 48});
  CHECK(reader.first()->payload == kControlPayloadBytes);
  CHECK(reader.first()->packet.length == 300);
  CHECK(reader.counters().bytes == 0);
}

TEST_CASE_FIXTURE(Fixture, "source reader: answers go back, and need no look-up") {
  SourceReader::Job job = transfer(150, Purpose::kFetchData);
  job.remote = {
      .node = 1, .incoming_page = 9, .incoming_generation = 0, .offset = 8, .length = 150};
  SUBCASE("with bytes") {
    reader.add(job);
    queue.run();
    CHECK(ready_at == std::vector<double>{610 + 1170 + 41, 610 + 1170 + 670 + 41});
    const NetworkPacket& first = reader.take();
    CHECK(first.source == 1);
    CHECK(first.destination == 0);
    CHECK_FALSE(first.last);
    CHECK(reader.first()->packet.offset == 108);
    CHECK(reader.first()->packet.length == 50);
    CHECK(reader.first()->last);
  }
  SUBCASE("without") {
    job.purpose = Purpose::kRefusal;
    reader.add(job);
    queue.run();
    CHECK(ready_at == std::vector<double>{41});
    CHECK(reader.first()->payload == kControlPayloadBytes);
    CHECK(reader.first()->last);
  }
}
