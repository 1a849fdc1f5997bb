// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The parts together: what operations take is the sum of what the parts take.

#include "nicsim/parts/hardware.h"

#include <doctest/doctest.h>

#include <string>
#include <tuple>
#include <vector>

#include "nicsim/parts/initiation/cost.h"
#include "nicsim/parts/testing/machine_fixture.h"

using namespace vmmc;
using namespace vmmc::nicsim;
using namespace vmmc::nicsim::parts;
using namespace vmmc::nicsim::parts::testing;

namespace {

// From a packet that is ready to leave until it is in memory and seen.
double path_ns(const model::TimingModel& m, std::uint32_t payload) {
  const double bytes = payload;
  return m.arbiter.grant_ns + m.format_and_send.latency_ns + m.backplane.hop_ns +
         (bytes + m.format_and_send.header_bytes) * 1000 / m.backplane.link_mb_per_s +
         m.arbiter.grant_ns + m.incoming_dma_engine.latency_ns + m.incoming_page_table.lookup_ns +
         m.incoming_dma_engine.setup_ns + bytes * 1000 / m.incoming_dma_engine.dma_mb_per_s +
         m.processor.poll_ns;
}

double automatic_update_ns(const model::TimingModel& m, std::uint32_t payload) {
  return m.processor.store_ns + m.snoop_logic.latency_ns + m.packetizer.latency_ns +
         m.outgoing_page_table.lookup_ns + m.outgoing_fifo.latency_ns + path_ns(m, payload);
}

double read_ns(const model::TimingModel& m, std::uint32_t payload) {
  return m.deliberate_update_engine.start_ns + m.deliberate_update_engine.setup_ns +
         payload * 1000.0 / m.deliberate_update_engine.dma_mb_per_s;
}

// One sender on node 0, one buffer of 16 pages on node 1.
struct Pair : Machine {
  explicit Pair(const model::TimingModel& model) : Machine(model) {}
  Exported& buffer = tables.export_pages(1, 16);
  OutgoingPageTable& process = tables.add_process();
  std::uint64_t proxy = tables.import(process, buffer);

  Record& update(std::uint64_t offset, std::uint64_t length) {
    return make(OperationKind::kDeliberateUpdate, 0, process, proxy + offset, length);
  }
  Record& store(std::uint64_t offset, std::uint64_t length,
                Combining combining = Combining::kSingleWrite) {
    Record& record = make(OperationKind::kAutomaticUpdate, 0, process, proxy + offset, length);
    record.operation.combining = combining;
    return record;
  }
};

void check_bytes(const Pair& pair, const Record& record) {
  CHECK(record.times_delivered == 1);
  CHECK(record.accepted);
  CHECK(record.bytes_landed == record.local.size());
  const std::uint64_t offset = record.operation.destination - pair.proxy;
  CHECK(std::equal(record.local.begin(), record.local.end(), pair.buffer.memory.begin() + offset));
}

}  // namespace

TEST_CASE("hardware: a word by automatic update takes what the parts on its way take") {
  const model::TimingModel model = test_model();
  Pair pair(model);
  Record& word = pair.store(8, 4);
  pair.begin(word);
  pair.queue.run();
  check_bytes(pair, word);
  CHECK(word.initiated == from_ns(model.processor.store_ns));
  CHECK(word.source_free == word.initiated);
  CHECK(to_ns(word.landed) == automatic_update_ns(model, 4));
  CHECK(word.delivered == word.landed);
}

TEST_CASE("hardware: a word by deliberate update takes what the parts on its way take") {
  model::TimingModel model = test_model();
  for (const initiation::MechanismInfo& mechanism : initiation::kMechanisms) {
    CAPTURE(mechanism.name);
    model.deliberate_update_engine.initiation = initiation::as_parameter(mechanism.mechanism);
    Pair pair(model);
    Record& word = pair.update(8, 4);
    pair.begin(word);
    pair.queue.run();
    check_bytes(pair, word);
    const double initiated = model.library.send_ns + initiation::system_calls_ns(mechanism, model) +
                             initiation::references_ns(mechanism, model);
    CHECK(to_ns(word.initiated) == initiated);
    CHECK(to_ns(word.source_free) == initiated + read_ns(model, 4));
    CHECK(to_ns(word.landed) == initiated + read_ns(model, 4) + model.packetizer.latency_ns +
                                    model.outgoing_page_table.lookup_ns + path_ns(model, 4));
  }
}

TEST_CASE("hardware: without snoop logic an automatic update goes the way of a deliberate update") {
  model::TimingModel model = test_model();
  model.snoop_logic.present = 0;
  Pair pair(model);
  Record& automatic = pair.store(8, 4, Combining::kTimerWrite);
  pair.begin(automatic);
  pair.queue.run();
  Pair other(model);
  Record& deliberate = other.update(8, 4);
  other.begin(deliberate);
  other.queue.run();
  check_bytes(pair, automatic);
  CHECK(automatic.delivered == deliberate.delivered);
  CHECK(automatic.source_free == deliberate.source_free);
  CHECK(pair.hardware.counters(0).snoop_logic.stores == 0);
}

TEST_CASE("hardware: the bandwidth of a long transfer is that of its slowest part") {
  model::TimingModel model = test_model();
  double page_ns = 0;
  SUBCASE("the engine: initiation, start and read") {
    model.deliberate_update_engine.dma_mb_per_s = 10;
    page_ns = 2 * 220 + 610 + 170 + 409600;
  }
  SUBCASE("the engine, with a queue: start and read") {
    model.deliberate_update_engine.dma_mb_per_s = 10;
    model.deliberate_update_engine.queue_depth = 1;
    page_ns = 610 + 170 + 409600;
  }
  SUBCASE("the link: grant, format and all bytes") {
    model.backplane.link_mb_per_s = 10;
    page_ns = 3 + 61 + 411200;
  }
  SUBCASE("the incoming DMA engine") {
    model.incoming_dma_engine.dma_mb_per_s = 10;
    page_ns = 190 + 409600;
  }
  Time taken[2];
  for (std::uint64_t pages : {8, 16}) {
    Pair pair(model);
    Record& record = pair.update(0, pages * wire::kPageSize);
    pair.begin(record);
    pair.queue.run();
    check_bytes(pair, record);
    CHECK(record.packets_landed == pages);
    taken[pages / 16] = record.delivered;
  }
  CHECK(to_ns(taken[1] - taken[0]) == 8 * page_ns);
}

TEST_CASE("hardware: initiations wait for a place in the engine") {
  model::TimingModel model = test_model();
  for (double depth : {0, 1, 3}) {
    model.deliberate_update_engine.queue_depth = depth;
    Pair pair(model);
    Record& record = pair.update(0, 6 * wire::kPageSize);
    pair.begin(record);
    pair.queue.run();
    const Hardware::Counters counters = pair.hardware.counters(0);
    CHECK(counters.deliberate_update_engine.initiations == 6);
    // The first ones find a place: one under way, and the queue.
    CHECK(counters.processor.initiation_waits == 5 - static_cast<std::uint64_t>(depth));
    CHECK(counters.deliberate_update_engine.turned_down == counters.processor.initiation_waits);
  }
}

TEST_CASE("hardware: a transfer is cut at pages and at max_transfer_bytes") {
  model::TimingModel model = test_model();
  model.deliberate_update_engine.max_transfer_bytes = 1000;
  model.packetizer.max_payload_bytes = 600;
  Pair pair(model);
  // 96 bytes to the end of the page, then 1000, 1000 and 4: packets of 96, 600 + 400, 600 + 400, 4.
  Record& record = pair.update(4000, 2100);
  pair.begin(record);
  pair.queue.run();
  check_bytes(pair, record);
  CHECK(pair.hardware.counters(0).deliberate_update_engine.initiations == 4);
  CHECK(record.packets_landed == 6);
}

TEST_CASE("hardware: a full outgoing FIFO stops the writer, and goes on when little is left") {
  model::TimingModel model = test_model();
  model.backplane.link_mb_per_s = 1;  // a word with its header: 20 us
  model.outgoing_fifo = {.capacity_bytes = 64,
                         .threshold_bytes = 32,
                         .resume_bytes = 8,
                         .interrupt_ns = 9000,
                         .latency_ns = 53};
  Pair pair(model);
  std::vector<Record*> words;
  for (std::uint64_t i = 0; i < 14; ++i) words.push_back(&pair.store(4 * i, 4));
  pair.begin_in_turn(words);
  pair.queue.run();
  for (const Record* word : words) check_bytes(pair, *word);
  // The eighth word reaches the FIFO, and with it the threshold, while the ninth store is under
  // way.
  const double threshold = 8 * 100 + 31 + 41 + 7;
  CHECK(words[8]->initiated == from_ns(900));
  REQUIRE(pair.interrupts.size() == 1);
  CHECK(pair.interrupts[0].time == from_ns(threshold));
  CHECK(pair.interrupts[0].node == 0);
  CHECK(pair.interrupts[0].cost == from_ns(9000));
  // Two are left when seven of the nine are in the backplane.
  const double first_left = 100 + 31 + 41 + 7 + 53 + 3 + 61 + 20000;
  const double resumed = first_left + 6 * (3 + 61 + 20000);
  CHECK(to_ns(words[9]->initiated) == resumed + 9000 + 100);
  const Hardware::Counters counters = pair.hardware.counters(0);
  CHECK(counters.outgoing_fifo.interrupts == 1);
  CHECK(counters.outgoing_fifo.most_bytes == 36);
  CHECK(counters.processor.store_waits == 1);
  CHECK(to_ns(counters.processor.store_wait_ps) == resumed + 9000 - 900);
}

TEST_CASE("hardware: a store that finds no room in the FIFO closes the open packet") {
  model::TimingModel model = test_model();
  model.outgoing_fifo.capacity_bytes = model.outgoing_fifo.threshold_bytes = 16;
  Pair pair(model);
  Record& run = pair.store(0, 4096, Combining::kBlockWrite);
  pair.begin(run);
  pair.queue.run();
  check_bytes(pair, run);
  const Hardware::Counters counters = pair.hardware.counters(0);
  CHECK(counters.outgoing_fifo.most_bytes <= 16);
  CHECK(counters.packetizer.packets >= 256);
}

TEST_CASE("hardware: stores that combine land together, when their packet leaves") {
  model::TimingModel model = test_model();
  Pair pair(model);
  std::vector<Record*> words;
  SUBCASE("timer") {
    for (std::uint64_t i = 0; i < 5; ++i) {
      words.push_back(&pair.store(4 * i, 4, Combining::kTimerWrite));
    }
    pair.begin_in_turn(words);
    pair.queue.run();
    // The timer runs from the first store's arrival at the packetizer.
    CHECK(to_ns(words[0]->landed == kNever ? words[4]->landed : 0) ==
          automatic_update_ns(model, 20) + model.packetizer.timer_ns);
  }
  SUBCASE("block, and a flush") {
    for (std::uint64_t i = 0; i < 5; ++i) {
      words.push_back(&pair.store(4 * i, 4, Combining::kBlockWrite));
    }
    pair.begin_in_turn(words);
    pair.queue.run();
    CHECK(pair.deliveries == 0);
    const Time now = pair.queue.now();
    Record& flush = pair.make(OperationKind::kFlush, 0, pair.process, 0, 0);
    pair.begin(flush);
    pair.queue.run();
    CHECK(flush.times_initiated == 1);
    CHECK(flush.times_source_free == 0);
    CHECK(flush.times_delivered == 1);
    CHECK(to_ns(words[4]->landed - now) == automatic_update_ns(model, 20));
  }
  for (const Record* word : words) {
    CHECK(word->times_delivered == 1);
    CHECK(word->accepted);
    CHECK(word->delivered == words[4]->landed);
  }
  CHECK(words[4]->packets_landed == 1);
  CHECK(pair.hardware.counters(0).packetizer.packets == 1);
  for (std::uint64_t i = 0; i < 5; ++i) {
    CHECK(std::equal(words[i]->local.begin(), words[i]->local.end(),
                     pair.buffer.memory.begin() + static_cast<std::ptrdiff_t>(4 * i)));
  }
}

TEST_CASE("hardware: what a process begins later does not overtake") {
  // The update's way through the engine is shorter than the stores' through a slow FIFO, and the
  // other way round.
  model::TimingModel model = test_model();
  SUBCASE("slow FIFO") { model.outgoing_fifo.latency_ns = 50000; }
  SUBCASE("slow snoop logic") { model.snoop_logic.latency_ns = 50000; }
  SUBCASE("slow engine") { model.deliberate_update_engine.start_ns = 50000; }
  Pair pair(model);
  std::vector<Record*> operations{&pair.store(0, 4), &pair.update(4, 64), &pair.store(68, 8),
                                  &pair.store(76, 4), &pair.update(80, 4)};
  pair.begin_in_turn(operations);
  pair.queue.run();
  for (std::uint64_t i = 0; i < operations.size(); ++i) {
    check_bytes(pair, *operations[i]);
    CHECK(operations[i]->delivery == i);
  }
}
