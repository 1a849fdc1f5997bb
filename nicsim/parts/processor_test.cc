// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/processor.h"

#include <doctest/doctest.h>

#include <deque>
#include <vector>

#include "nicsim/parts/testing/tables.h"

using namespace vmmc;
using namespace vmmc::nicsim::parts;

namespace {

// The processor with the parts that it talks to; what they pass on goes nowhere.
struct Fixture : Processor::Port, SnoopLogic::Port, OutgoingFifo::Port, SourceReader::Port {
  nicsim::model::TimingModel model = nicsim::parts::testing::test_model();
  EventQueue queue;
  PacketPool pool;
  nicsim::parts::testing::Tables tables{2};
  nicsim::OutgoingPageTable& process = tables.add_process();
  std::uint64_t proxy = tables.import(process, tables.export_pages(1, 4));
  InputOutputBus bus{queue, model.input_output_bus};
  SnoopLogic snoop{queue, model.snoop_logic, *this};
  OutgoingFifo fifo{queue, model.outgoing_fifo, *this};
  SourceReader reader{queue, model, bus, pool, *this};
  DeliberateUpdateEngine engine{model.deliberate_update_engine, reader};
  std::deque<Operation> operations;
  std::vector<double> handed_over_at;
  std::vector<std::uint32_t> seen;  // bytes of each store; 0: flush

  void read_store(Operation&, std::uint64_t, std::span<std::byte>) override {}
  void handed_over(Operation&) override { handed_over_at.push_back(to_ns(queue.now())); }
  void snooped(const Snooped& passed) override { seen.push_back(passed.length); }
  void fifo_ready() override {}
  void fifo_threshold() override {}
  void fifo_resumed() override {}
  void fifo_room() override {}
  void read(SourceReader&, NetworkPacket&) override {}
  void job_read(SourceReader&, const SourceReader::Job&) override {}
  void packet_ready() override {}

  Operation& make(OperationKind kind, std::uint64_t length) {
    Operation& operation = operations.emplace_back();
    operation.kind = kind;
    operation.destinations = &process;
    operation.destination = proxy;
    operation.length = length;
    operation.remote_node = 1;
    return operation;
  }
  Processor make_processor() { return {queue, model, snoop, fifo, engine, *this}; }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "processor: up to 8 bytes are one store, more are a run of words") {
  Processor processor = make_processor();
  processor.begin(make(OperationKind::kAutomaticUpdate, 8));
  queue.run();
  processor.begin(make(OperationKind::kAutomaticUpdate, 10));
  queue.run();
  processor.begin(make(OperationKind::kFlush, 0));
  queue.run();
  CHECK(seen == std::vector<std::uint32_t>{8, 4, 4, 2, 0});
  CHECK(handed_over_at == std::vector<double>{100, 131 + 300, 131 + 331 + 100});
  CHECK(processor.counters().stores == 4);
  CHECK(processor.counters().store_waits == 0);
}

TEST_CASE_FIXTURE(Fixture, "processor: what the operations of the engine cost") {
  struct Case {
    OperationKind kind;
    initiation::Mechanism mechanism;
    double ns;
  };
  using Mechanism = initiation::Mechanism;
  for (const Case& one :
       {Case{OperationKind::kDeliberateUpdate, Mechanism::kTwoReferences, 300 + 440},
        Case{OperationKind::kDeliberateUpdate, Mechanism::kKernel, 300 + 5000 + 440},
        Case{OperationKind::kDeliberateUpdate, Mechanism::kKey, 300 + 3 * 200 + 240},
        Case{OperationKind::kFetch, Mechanism::kTwoReferences, 400 + 440},
        Case{OperationKind::kFetch, Mechanism::kRepeated5, 400 + 2 * 200 + 3 * 240 + 50},
        Case{OperationKind::kAtomic, Mechanism::kKernel, 400 + 5000 + 440}}) {
    Fixture alone;
    alone.model.deliberate_update_engine.initiation = initiation::as_parameter(one.mechanism);
    Processor processor = alone.make_processor();
    processor.begin(alone.make(one.kind, 8));
    alone.queue.run();
    CHECK(alone.handed_over_at == std::vector<double>{one.ns});
    CHECK(processor.counters().system_calls == initiation::info_of(one.mechanism).system_calls);
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "processor: the kernel is called once, its references are made for each page") {
  model.deliberate_update_engine.initiation =
      initiation::as_parameter(initiation::Mechanism::kKernel);
  model.deliberate_update_engine.queue_depth = 3;
  DeliberateUpdateEngine deep{model.deliberate_update_engine, reader};
  Processor processor{queue, model, snoop, fifo, deep, *this};
  processor.begin(make(OperationKind::kDeliberateUpdate, 3 * wire::kPageSize));
  queue.run();
  CHECK(handed_over_at == std::vector<double>{300 + 5000 + 3 * 440});
  CHECK(processor.counters().system_calls == 1);
}

TEST_CASE_FIXTURE(Fixture,
                  "processor: a store that finds no room asks for the open packet to leave") {
  Processor processor = make_processor();
  REQUIRE(fifo.reserve(32768));
  processor.begin(make(OperationKind::kAutomaticUpdate, 4));
  queue.run();
  CHECK(handed_over_at.empty());
  CHECK(seen == std::vector<std::uint32_t>{0});
  NetworkPacket& packet = pool.take();
  packet.payload = 32768;
  fifo.enter(packet);
  queue.run();
  fifo.left(fifo.take().payload);
  const Time room = queue.now();
  processor.fifo_room();
  queue.run();
  CHECK(handed_over_at == std::vector<double>{to_ns(room) + 100});
  CHECK(processor.counters().store_waits == 1);
  CHECK(processor.counters().store_wait_ps == room);
}

TEST_CASE_FIXTURE(Fixture, "processor: turned down, it makes both references again") {
  Processor processor = make_processor();
  processor.begin(make(OperationKind::kDeliberateUpdate, 8));
  processor.begin(make(OperationKind::kDeliberateUpdate, 8));
  processor.begin(make(OperationKind::kDeliberateUpdate, 8));
  queue.run_until(from_ns(5000));
  CHECK(handed_over_at == std::vector<double>{740});
  CHECK(processor.counters().initiation_waits == 2);
  CHECK(processor.counters().operations == 3);
  engine.transfer_read();
  processor.engine_has_place();
  queue.run();
  CHECK(handed_over_at == std::vector<double>{740, 5440});
  CHECK(to_ns(processor.counters().initiation_wait_ps) == 5440 - 740);
  // The one that waits longest has the place.
  CHECK(operations[1].bytes_handed == 8);
  CHECK(operations[2].bytes_handed == 0);
}
