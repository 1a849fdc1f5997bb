// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Random operations on random machines: whatever the parameters, every operation is carried out
// once, in order, and its bytes are right; and the same machine does the same again.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "nicsim/model/model_file.h"
#include "nicsim/parts/initiation/mechanisms.h"
#include "nicsim/parts/testing/machine_fixture.h"
#include "nicsim/parts/testing/random.h"

using namespace vmmc;
using namespace vmmc::nicsim;
using namespace vmmc::nicsim::parts;
using namespace vmmc::nicsim::parts::testing;

namespace {

constexpr std::uint32_t kPages = 3;  // of each buffer
constexpr std::uint64_t kBytes = std::uint64_t{kPages} * wire::kPageSize;

model::TimingModel random_model(Random& random) {
  model::TimingModel model = test_model();
  const auto pick = [&](std::initializer_list<double> values) {
    return values.begin()[random.below(values.size())];
  };
  model.processor.store_ns = pick({0, 20, 100, 1000});
  model.processor.poll_ns = pick({0, 13, 5000});
  model.library.send_ns = pick({0, 300, 5000});
  model.snoop_logic = {.present = pick({1, 1, 1, 0}), .latency_ns = pick({0, 31, 4000})};
  model.packetizer.latency_ns = pick({0, 41, 900});
  model.packetizer.max_payload_bytes = pick({4, 64, 1000, 4096});
  model.packetizer.combining = pick({1, 1, 0});
  model.packetizer.timer_ns = pick({0, 50, 2000});
  const double capacity = pick({8, 64, 1024, 32768});
  model.outgoing_fifo.capacity_bytes = capacity;
  model.outgoing_fifo.threshold_bytes = capacity * pick({0.5, 0.75, 1});
  model.outgoing_fifo.resume_bytes = capacity * pick({0, 0.25, 0.5});
  model.outgoing_fifo.latency_ns = pick({0, 53});
  model.deliberate_update_engine.store_ns = pick({0, 200});
  model.deliberate_update_engine.load_ns = pick({0, 240});
  model.deliberate_update_engine.barrier_ns = pick({0, 50});
  model.deliberate_update_engine.start_ns = pick({0, 610});
  model.deliberate_update_engine.max_transfer_bytes = pick({4096, 256});
  model.deliberate_update_engine.queue_depth = pick({0, 1, 7});
  model.deliberate_update_engine.initiation =
      static_cast<double>(random.below(initiation::kMechanisms.size()));
  model.arbiter = {.grant_ns = pick({0, 3, 200}), .incoming_first = pick({0, 1})};
  model.backplane.mesh = pick({0, 1});
  model.backplane.link_mb_per_s = pick({20, 200});
  model.backplane.buffer_bytes = pick({64, 8192});
  model.incoming_dma_engine.fifo_bytes = pick({4112, 16384});
  model.incoming_dma_engine.dma_mb_per_s = pick({10, 100});
  model.input_output_bus.shared = pick({0, 1});
  return model;
}

// What a model allows at its ends: no times at all, packets of a word, FIFOs that hold one of them,
// routers without a buffer, parts that are very slow.
model::TimingModel extreme_model(Random& random) {
  model::TimingModel model = random_model(random);
  const auto pick = [&](std::initializer_list<double> values) {
    return values.begin()[random.below(values.size())];
  };
  if (random.one_in(2)) {
    for (double* const time : {&model.processor.store_ns,
                               &model.processor.poll_ns,
                               &model.processor.system_call_ns,
                               &model.processor.interrupt_ns,
                               &model.processor.signal_ns,
                               &model.library.send_ns,
                               &model.library.fetch_ns,
                               &model.snoop_logic.latency_ns,
                               &model.outgoing_page_table.lookup_ns,
                               &model.packetizer.latency_ns,
                               &model.packetizer.timer_ns,
                               &model.outgoing_fifo.interrupt_ns,
                               &model.outgoing_fifo.latency_ns,
                               &model.deliberate_update_engine.store_ns,
                               &model.deliberate_update_engine.load_ns,
                               &model.deliberate_update_engine.barrier_ns,
                               &model.deliberate_update_engine.start_ns,
                               &model.deliberate_update_engine.setup_ns,
                               &model.arbiter.grant_ns,
                               &model.format_and_send.latency_ns,
                               &model.backplane.hop_ns,
                               &model.incoming_dma_engine.latency_ns,
                               &model.incoming_dma_engine.setup_ns,
                               &model.incoming_page_table.lookup_ns}) {
      *time = 0;
    }
  }
  const double payload = pick({4, 8, 64});
  const double header = pick({0, 16});
  model.packetizer.max_payload_bytes = payload;
  model.format_and_send.header_bytes = header;
  model.incoming_dma_engine.fifo_bytes = std::max(payload, 8.0) + header;
  model.outgoing_fifo.capacity_bytes = 8;
  model.outgoing_fifo.threshold_bytes = pick({0, 4, 8});
  model.outgoing_fifo.resume_bytes = std::min(model.outgoing_fifo.threshold_bytes, pick({0, 4}));
  model.backplane.buffer_bytes = pick({0, 1});
  model.backplane.link_mb_per_s = pick({0, 0.001, 1e6});
  model.deliberate_update_engine.dma_mb_per_s = pick({0, 0.001, 1e6});
  model.deliberate_update_engine.max_transfer_bytes = 64;
  model.incoming_dma_engine.dma_mb_per_s = pick({0, 0.001, 1e6});
  return model;
}

struct Process {
  OutgoingPageTable* table = nullptr;
  std::uint32_t node = 0;
  std::vector<std::uint64_t> proxies;  // of its own buffers, one on each node
  std::vector<Exported*> buffers;      // nobody else writes to them
  std::vector<std::vector<std::byte>> expected;
  std::vector<std::vector<Record*>> begun_to;  // by node; what does not combine
  std::uint32_t left = 0;                      // operations to begin
  std::uint64_t position = 0;                  // of the next store that combines
};

// Processes that each begin an operation when the last one is initiated, or a while later.
class RandomMachine final : public Machine {
 public:
  RandomMachine(const model::TimingModel& model, MachineShape shape, Random& random,
                std::uint32_t process_count, std::uint32_t operations)
      : Machine(model, shape),
        random_(random),
        combining_(model.packetizer.combining != 0 && model.snoop_logic.present != 0),
        shape_(shape) {
    for (std::uint32_t i = 0; i < process_count; ++i) {
      Process& process = processes.emplace_back();
      process.table = &tables.add_process();
      process.node = i % shape.nodes();
      process.left = operations;
      for (std::uint32_t node = 0; node < shape.nodes(); ++node) {
        process.buffers.push_back(&tables.export_pages(node, kPages));
        if (!interrupts(i)) tables.allow_interrupts(*process.buffers.back(), false);
        process.proxies.push_back(tables.import(*process.table, *process.buffers.back()));
        process.expected.emplace_back(kBytes);
      }
      process.begun_to.resize(shape.nodes());
      queue.after<&RandomMachine::begin_next>(from_ns(static_cast<double>(random.below(9999))),
                                              *this, i);
    }
  }

  void begin_next(std::uint64_t index) {
    Process& process = processes[index];
    if (process.left == 0) return;
    --process.left;
    const std::uint32_t node = static_cast<std::uint32_t>(random_.below(shape_.nodes()));
    Record& record = next_operation(process, node);
    record.process = index;
    Operation& operation = record.operation;
    operation.notify = random_.one_in(4);
    record.token = random_.below(2) * (index + 1);
    if (operation.notify && record.token != 0 && is_update(record) && interrupts(index)) ++tokens;
    if (is_update(record)) {
      const std::uint64_t offset = operation.destination - process.proxies[node];
      std::copy(record.local.begin(), record.local.end(),
                process.expected[node].begin() + static_cast<std::ptrdiff_t>(offset));
    }
    const bool combines = combining_ && operation.kind == OperationKind::kAutomaticUpdate &&
                          operation.combining != Combining::kSingleWrite;
    if (!combines && operation.kind != OperationKind::kFlush)
      process.begun_to[node].push_back(&record);
    begin(record);
  }

  // Combined stores and others may overtake each other, and then bytes are not what the order of the
  // program says: so those that combine go to the last page.
  static constexpr std::uint64_t kPlain = kBytes - wire::kPageSize;

  Record& next_operation(Process& process, std::uint32_t node) {
    const auto kind = random_.below(10);
    if (kind < 5) return next_update(process, node, kind < 3);
    if (kind < 8) return next_combined(process, node);
    if (kind == 8) return make(OperationKind::kFlush, process.node, *process.table, 0, 0);
    return random_.one_in(2) ? next_atomic(process, node) : next_fetch(process, node);
  }

  Record& next_update(Process& process, std::uint32_t node, bool deliberate) {
    std::uint64_t length = 1 + random_.below(random_.one_in(8) ? wire::kPageSize : 8);
    if (deliberate) length = 1 + random_.below(random_.one_in(3) ? kPlain : 64);
    const std::uint64_t offset = random_.below(kPlain - length + 1);
    return make(deliberate ? OperationKind::kDeliberateUpdate : OperationKind::kAutomaticUpdate,
                process.node, *process.table, process.proxies[node] + offset, length);
  }

  Record& next_combined(Process& process, std::uint32_t node) {
    const std::uint64_t length = random_.one_in(8) ? 400 : 4;
    if (random_.one_in(20)) process.position = random_.below(900) * 4;
    if (process.position + length > wire::kPageSize) process.position = 0;
    Record& record = make(OperationKind::kAutomaticUpdate, process.node, *process.table,
                          process.proxies[node] + kPlain + process.position, length);
    process.position += length;
    record.operation.combining =
        random_.one_in(9) ? Combining::kBlockWrite : Combining::kTimerWrite;
    return record;
  }

  Record& next_atomic(Process& process, std::uint32_t node) {
    const std::uint64_t offset = kPlain - 64 + 8 * random_.below(8);
    std::uint64_t word = 0;
    std::memcpy(&word, process.expected[node].data() + offset, sizeof word);
    ++word;
    std::memcpy(process.expected[node].data() + offset, &word, sizeof word);
    return make(OperationKind::kAtomic, process.node, *process.table,
                process.proxies[node] + offset, 8);
  }

  Record& next_fetch(Process& process, std::uint32_t node) {
    const std::uint64_t length = 1 + random_.below(kPlain);
    Record& record =
        make(OperationKind::kFetch, process.node, *process.table, process.proxies[node], length);
    const std::vector<std::byte>& expected = process.expected[node];
    record.expected.assign(expected.begin(),
                           expected.begin() + static_cast<std::ptrdiff_t>(length));
    return record;
  }

  // Whether the buffers of this process allow it.
  static bool interrupts(std::uint64_t index) { return index % 3 != 0; }
  static bool is_update(const Record& record) { return parts::is_update(record.operation); }

  void on_initiated(Record& record) override {
    CHECK(record.times_delivered == 0);
    const Time pause = random_.one_in(3) ? from_ns(static_cast<double>(random_.below(20000))) : 0;
    queue.after<&RandomMachine::begin_next>(pause, *this, record.process);
  }

  // A fetch sees what was begun before it, and nothing of what was begun after it.
  void on_delivered(Record& record) override {
    if (record.operation.kind == OperationKind::kFetch) CHECK(record.local == record.expected);
  }

  std::vector<Process> processes;
  std::uint64_t tokens = 0;
  Random& random_;
  bool combining_;
  MachineShape shape_;
};

void check_operations(const RandomMachine& machine) {
  for (const Record& record : machine.records) {
    CHECK(record.times_initiated == 1);
    CHECK(record.times_delivered == 1);
    CHECK(record.times_source_free == (RandomMachine::is_update(record) ? 1 : 0));
    CHECK(record.accepted);
  }
  CHECK(machine.notifications.size() == machine.tokens);
}

void check_bytes_and_order(const RandomMachine& machine) {
  for (const Process& process : machine.processes) {
    for (std::size_t node = 0; node < process.buffers.size(); ++node) {
      CHECK(process.buffers[node]->memory == process.expected[node]);
    }
    for (const auto& records : process.begun_to) {
      for (std::size_t i = 1; i < records.size(); ++i) {
        CHECK(records[i - 1]->delivery < records[i]->delivery);
      }
    }
  }
}

// What a run was: all times, and all that was counted.
std::string log_of(const RandomMachine& machine, std::uint32_t nodes) {
  std::string log;
  for (const Record& record : machine.records) {
    log += std::to_string(record.initiated) + " " + std::to_string(record.source_free) + " " +
           std::to_string(record.delivered) + "\n";
  }
  for (std::uint32_t node = 0; node < nodes; ++node) {
    for_each_counter(machine.hardware.counters(node), [&](const char* name, std::uint64_t value) {
      log += std::string(name) + " " + std::to_string(value) + "\n";
    });
  }
  return log;
}

std::string run(std::uint64_t seed, bool extreme) {
  Random random(seed);
  const model::TimingModel model = extreme ? extreme_model(random) : random_model(random);
  REQUIRE(model::inconsistency(model) == "");
  const MachineShape shape{1 + static_cast<std::uint32_t>(random.below(3)),
                           1 + static_cast<std::uint32_t>(random.below(3))};
  RandomMachine machine(model, shape, random, shape.nodes() * 2, extreme ? 15 : 40);
  machine.queue.run();
  // What is left in open packets of block mode leaves.
  for (std::uint32_t node = 0; node < shape.nodes(); ++node) {
    Record& flush = machine.make(OperationKind::kFlush, node, *machine.processes[node].table, 0, 0);
    flush.process = node;
    machine.begin(flush);
  }
  machine.queue.run();
  check_operations(machine);
  check_bytes_and_order(machine);
  for (std::uint32_t node = 0; node < shape.nodes(); ++node) {
    const Hardware::Counters counters = machine.hardware.counters(node);
    CHECK(counters.outgoing_fifo.most_bytes <= model.outgoing_fifo.capacity_bytes);
    CHECK(counters.incoming_dma_engine.most_bytes <= model.incoming_dma_engine.fifo_bytes);
    CHECK(counters.incoming_dma_engine.refused == 0);
  }
  return log_of(machine, shape.nodes());
}

}  // namespace

TEST_CASE("hardware: random operations are carried out once, in order, and the same again") {
  for (const bool extreme : {false, true}) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      std::printf("%s, seed %llu\n", extreme ? "extreme" : "usual",
                  static_cast<unsigned long long>(seed));
      CAPTURE(extreme);
      CAPTURE(seed);
      const std::string first = run(seed, extreme);
      CHECK(first == run(seed, extreme));
    }
  }
}
