// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Requests of other nodes, refusals, notifications, and receivers that have more than one sender.

#include <doctest/doctest.h>

#include <vector>

#include "nicsim/parts/testing/machine_fixture.h"

using namespace vmmc;
using namespace vmmc::nicsim;
using namespace vmmc::nicsim::parts;
using namespace vmmc::nicsim::parts::testing;

namespace {

// From a packet that is ready to leave until it has been looked up at its destination.
double way_ns(const model::TimingModel& m, double payload) {
  return m.arbiter.grant_ns + m.format_and_send.latency_ns + m.backplane.hop_ns +
         (payload + m.format_and_send.header_bytes) * 1000 / m.backplane.link_mb_per_s +
         m.arbiter.grant_ns + m.incoming_dma_engine.latency_ns + m.incoming_page_table.lookup_ns;
}
double write_ns(const model::TimingModel& m, double payload) {
  return m.incoming_dma_engine.setup_ns + payload * 1000 / m.incoming_dma_engine.dma_mb_per_s;
}
// From the beginning of a fetch until its request has been looked up.
double request_ns(const model::TimingModel& m) {
  return m.library.fetch_ns + m.deliberate_update_engine.store_ns +
         m.deliberate_update_engine.load_ns + m.deliberate_update_engine.start_ns +
         m.packetizer.latency_ns + m.outgoing_page_table.lookup_ns + way_ns(m, 8);
}

struct Pair : Machine {
  explicit Pair(const model::TimingModel& model = test_model()) : Machine(model) {
    for (std::size_t i = 0; i < buffer.memory.size(); ++i) {
      buffer.memory[i] = static_cast<std::byte>(i * 3);
    }
  }
  Exported& buffer = tables.export_pages(1, 4);
  OutgoingPageTable& process = tables.add_process();
  std::uint64_t proxy = tables.import(process, buffer);

  Record& add(OperationKind kind, std::uint64_t offset, std::uint64_t length) {
    return make(kind, 0, process, proxy + offset, length);
  }
};

}  // namespace

TEST_CASE("hardware: a fetch takes a request, a read over there, and the way back") {
  const model::TimingModel model = test_model();
  Pair pair(model);
  Record& fetch = pair.add(OperationKind::kFetch, 100, 40);
  pair.begin(fetch);
  pair.queue.run();
  CHECK(fetch.times_initiated == 1);
  CHECK(fetch.times_source_free == 0);
  CHECK(fetch.times_delivered == 1);
  CHECK(fetch.accepted);
  CHECK(std::equal(fetch.local.begin(), fetch.local.end(), pair.buffer.memory.begin() + 100));
  CHECK(to_ns(fetch.delivered) == request_ns(model) + model.deliberate_update_engine.start_ns +
                                      model.deliberate_update_engine.setup_ns +
                                      40 * 1000 / model.deliberate_update_engine.dma_mb_per_s +
                                      model.packetizer.latency_ns + way_ns(model, 40) +
                                      write_ns(model, 40) + model.processor.poll_ns);
  CHECK(pair.hardware.counters(1).replies.bytes == 40);
  CHECK(pair.hardware.counters(1).processor.operations == 0);
}

TEST_CASE("hardware: a long fetch asks page by page") {
  Pair pair;
  Record& fetch = pair.add(OperationKind::kFetch, 4000, 9000);
  pair.begin(fetch);
  pair.queue.run();
  CHECK(fetch.times_delivered == 1);
  CHECK(std::equal(fetch.local.begin(), fetch.local.end(), pair.buffer.memory.begin() + 4000));
  CHECK(pair.hardware.counters(0).engine_reader.packets == 4);
  CHECK(pair.hardware.counters(0).engine_reader.bytes == 0);
}

TEST_CASE("hardware: an atomic operation changes its word over there and brings it back") {
  const model::TimingModel model = test_model();
  Pair pair(model);
  std::uint64_t before = 0;
  std::memcpy(&before, pair.buffer.memory.data() + 16, 8);
  Record& atomic = pair.add(OperationKind::kAtomic, 16, 8);
  pair.begin(atomic);
  pair.queue.run();
  CHECK(atomic.times_delivered == 1);
  CHECK(atomic.previous_word == before);
  std::uint64_t after = 0;
  std::memcpy(&after, pair.buffer.memory.data() + 16, 8);
  CHECK(after == before + 1);
  CHECK(to_ns(atomic.delivered) == request_ns(model) + write_ns(model, 8) +
                                       model.packetizer.latency_ns + way_ns(model, 8) +
                                       write_ns(model, 8) + model.processor.poll_ns);
}

TEST_CASE("hardware: nodes that fetch from each other all the time do not wait for each other") {
  model::TimingModel model = test_model();
  model.incoming_dma_engine.fifo_bytes = 4112;  // one packet
  model.input_output_bus.shared = 1;
  Machine machine(model);
  std::vector<Record*> operations[2];
  for (std::uint32_t node = 0; node < 2; ++node) {
    OutgoingPageTable& process = machine.tables.add_process();
    const std::uint64_t proxy =
        machine.tables.import(process, machine.tables.export_pages(1 - node, 16));
    for (int i = 0; i < 20; ++i) {
      const OperationKind kind =
          i % 2 == 0 ? OperationKind::kFetch : OperationKind::kDeliberateUpdate;
      operations[node].push_back(&machine.make(kind, node, process, proxy, 16 * wire::kPageSize));
    }
  }
  for (const auto& of_node : operations) machine.begin_in_turn(of_node);
  machine.queue.run();
  CHECK(machine.deliveries == 40);
  for (const Record& record : machine.records) CHECK(record.accepted);
}

TEST_CASE("hardware: the incoming page table refuses what is disabled or old") {
  for (const bool again : {false, true}) {
    for (const OperationKind kind :
         {OperationKind::kDeliberateUpdate, OperationKind::kAutomaticUpdate, OperationKind::kFetch,
          OperationKind::kAtomic}) {
      Pair pair;
      const std::vector<std::byte> before = pair.buffer.memory;
      pair.tables.disable(pair.buffer);
      // The same entries, for somebody else.
      if (again) CHECK(pair.tables.export_pages(1, 4).first_page == pair.buffer.first_page);
      Record& refused = pair.add(kind, 16, 8);
      refused.operation.notify = true;
      refused.token = 5;
      pair.begin(refused);
      pair.queue.run();
      CHECK(refused.times_initiated == 1);
      CHECK(refused.times_delivered == 1);
      CHECK_FALSE(refused.accepted);
      CHECK(refused.bytes_landed == 0);
      CHECK(pair.buffer.memory == before);
      CHECK(pair.hardware.counters(1).incoming_dma_engine.refused == 1);
      CHECK(pair.notifications.empty());
    }
  }
}

TEST_CASE("hardware: a page that is disabled in the middle of a transfer") {
  Pair pair;
  Record& update = pair.add(OperationKind::kDeliberateUpdate, 0, 4 * wire::kPageSize);
  Record& later = pair.add(OperationKind::kDeliberateUpdate, 0, 8);
  pair.begin_in_turn({&update, &later});
  while (update.packets_landed < 2) REQUIRE(pair.queue.step());
  pair.tables.disable(pair.buffer);
  pair.queue.run();
  CHECK(update.times_delivered == 1);
  CHECK_FALSE(update.accepted);
  CHECK(update.packets_landed == 2);
  CHECK(update.delivery < later.delivery);
  CHECK_FALSE(later.accepted);
}

TEST_CASE("hardware: without an entry in the outgoing page table nothing leaves") {
  Pair pair;
  Record& whole = pair.add(OperationKind::kDeliberateUpdate, 4 * wire::kPageSize, 8);
  Record& part = pair.add(OperationKind::kDeliberateUpdate, 3 * wire::kPageSize, 4100);
  Record& fetch = pair.add(OperationKind::kFetch, 3 * wire::kPageSize, 4100);
  Record& store = pair.add(OperationKind::kAutomaticUpdate, 4 * wire::kPageSize - 4, 8);
  Record& fine = pair.add(OperationKind::kDeliberateUpdate, 0, 8);
  pair.begin_in_turn({&whole, &part, &fetch, &store, &fine});
  pair.queue.run();
  for (Record* refused : {&whole, &part, &fetch, &store}) {
    CHECK(refused->times_initiated == 1);
    CHECK(refused->times_delivered == 1);
    CHECK_FALSE(refused->accepted);
  }
  CHECK(part.times_source_free == 1);
  CHECK(fine.accepted);
  CHECK(store.bytes_landed == 4);  // those before the proxy's end
  CHECK(pair.hardware.counters(0).format_and_send.packets == 4);
}

TEST_CASE(
    "hardware: a notification needs a message that asks, a page that allows, and a receiver") {
  const model::TimingModel model = test_model();
  for (const bool asks : {false, true}) {
    for (const bool allows : {false, true}) {
      for (const std::uint64_t token : {0, 77}) {
        Pair pair(model);
        pair.tables.allow_interrupts(pair.buffer, allows);
        Record& update = pair.add(OperationKind::kDeliberateUpdate, 0, 8);
        update.operation.notify = asks;
        update.token = token;
        pair.begin(update);
        pair.queue.run();
        const ArrivalCounters arrivals = pair.hardware.counters(1).arrivals;
        const bool notifies = asks && allows && token != 0;
        CHECK(pair.interrupts.empty());
        CHECK(pair.tokens_asked == (asks && allows ? 1 : 0));
        CHECK(pair.notifications_refused == (asks && !allows ? 1 : 0));
        CHECK(arrivals.not_notified == (asks && !notifies ? 1 : 0));
        CHECK(arrivals.notifications == (notifies ? 1 : 0));
        REQUIRE(pair.notifications.size() == (notifies ? 1 : 0));
        if (!notifies) continue;
        CHECK(pair.notifications[0].token == 77);
        CHECK(pair.notifications[0].time ==
              update.delivered + from_ns(model.processor.interrupt_ns + model.processor.signal_ns));
      }
    }
  }
}

TEST_CASE("hardware: the page of the last packet says whether it may interrupt") {
  for (const bool last_allows : {false, true}) {
    Pair pair;
    IncomingPageTable& table = pair.tables.backplane.node(1).incoming_pages;
    table.allow_interrupts(pair.buffer.first_page + (last_allows ? 0 : 1), 1, false);
    Record& update = pair.add(OperationKind::kDeliberateUpdate, 0, 2 * wire::kPageSize);
    update.operation.notify = true;
    update.token = 1;
    pair.begin(update);
    pair.queue.run();
    CHECK(pair.notifications.size() == (last_allows ? 1 : 0));
  }
}

TEST_CASE(
    "hardware: if every message interrupts, those without notification do, too, but stores do "
    "not") {
  for (const bool has_snoop_logic : {true, false}) {
    model::TimingModel model = test_model();
    model.incoming_page_table.interrupt_each_arrival = 1;
    model.snoop_logic.present = has_snoop_logic ? 1 : 0;
    Pair pair(model);
    Record& silent = pair.add(OperationKind::kDeliberateUpdate, 0, 3 * wire::kPageSize);
    Record& notifying = pair.add(OperationKind::kDeliberateUpdate, 0, 8);
    notifying.operation.notify = true;
    notifying.token = 1;
    // Without snoop logic it is sent, and then it is a message.
    Record& store = pair.add(OperationKind::kAutomaticUpdate, 64, 8);
    pair.begin_in_turn({&silent, &notifying, &store});
    pair.queue.run();
    REQUIRE(pair.interrupts.size() == (has_snoop_logic ? 1 : 2));
    CHECK(pair.interrupts[0].time == silent.delivered);
    CHECK(pair.interrupts.back().time == (has_snoop_logic ? silent : store).delivered);
    CHECK(pair.interrupts[0].node == 1);
    CHECK(pair.interrupts[0].cost == from_ns(model.processor.interrupt_ns));
    CHECK(pair.notifications.size() == 1);
    CHECK(pair.hardware.counters(1).arrivals.arrival_interrupts == pair.interrupts.size());
  }
}

TEST_CASE("hardware: look-ups in both page tables, one for each packet that names a page") {
  Pair pair;
  Record& update = pair.add(OperationKind::kDeliberateUpdate, 0, 2 * wire::kPageSize);
  Record& fetch = pair.add(OperationKind::kFetch, 0, 8);
  Record& store = pair.add(OperationKind::kAutomaticUpdate, 64, 8);
  Record& nowhere = pair.add(OperationKind::kDeliberateUpdate, 3 * wire::kPageSize, 4100);
  pair.begin_in_turn({&update, &fetch, &store, &nowhere});
  pair.queue.run();
  const Hardware::Counters sender = pair.hardware.counters(0);
  CHECK(sender.outgoing_page_table.lookups == 2 + 1 + 1 + 2);
  CHECK(sender.outgoing_page_table.no_entry == 1);
  CHECK(sender.incoming_page_table.lookups == 0);  // an answer names no page
  const Hardware::Counters receiver = pair.hardware.counters(1);
  CHECK(receiver.incoming_page_table.lookups == 2 + 1 + 1 + 1);
  CHECK(receiver.incoming_page_table.no_entry == 0);
  CHECK(receiver.outgoing_page_table.lookups == 0);
}

TEST_CASE("hardware: requests and answers go through the smallest incoming FIFO there may be") {
  model::TimingModel model = test_model();
  model.packetizer.max_payload_bytes = 4;
  model.format_and_send.header_bytes = 0;
  model.incoming_dma_engine.fifo_bytes = 8;
  Pair pair(model);
  Record& fetch = pair.add(OperationKind::kFetch, 100, 40);
  Record& atomic = pair.add(OperationKind::kAtomic, 8, 8);
  pair.begin_in_turn({&fetch, &atomic});
  pair.queue.run();
  CHECK(fetch.accepted);
  CHECK(fetch.bytes_landed == 40);
  CHECK(atomic.accepted);
}

TEST_CASE("hardware: who will not flush any more is flushed by somebody else") {
  Pair pair;
  Record& store = pair.add(OperationKind::kAutomaticUpdate, 0, 8);
  store.operation.combining = Combining::kBlockWrite;
  pair.begin(store);
  CHECK_FALSE(pair.hardware.has_open_packet(0));
  pair.queue.run();
  CHECK(store.times_initiated == 1);
  CHECK(store.times_delivered == 0);
  CHECK(pair.hardware.has_open_packet(0));
  CHECK_FALSE(pair.hardware.has_open_packet(1));
  pair.hardware.flush(0);
  pair.hardware.flush(1);
  pair.queue.run();
  CHECK_FALSE(pair.hardware.has_open_packet(0));
  CHECK(store.times_delivered == 1);
  CHECK(store.accepted);
  CHECK(pair.hardware.counters(0).packetizer.closed_by_flush == 1);
}

// A store that is made and has not passed the snoop logic yet is flushed, too.
TEST_CASE("hardware: a flush from outside comes behind the stores that are on their way") {
  Pair pair;
  Record& store = pair.add(OperationKind::kAutomaticUpdate, 0, 8);
  store.operation.combining = Combining::kBlockWrite;
  pair.begin(store);
  while (store.times_initiated == 0) REQUIRE(pair.queue.step());
  CHECK_FALSE(pair.hardware.has_open_packet(0));
  pair.hardware.flush(0);
  pair.queue.run();
  CHECK(store.times_delivered == 1);
}

TEST_CASE("hardware: two senders share their receiver") {
  model::TimingModel model = test_model();
  model.incoming_dma_engine.dma_mb_per_s = 10;
  Machine machine(model, {1, 3});
  std::vector<Exported*> buffers;
  std::vector<Record*> updates;
  for (std::uint32_t node = 0; node < 2; ++node) {
    OutgoingPageTable& process = machine.tables.add_process();
    buffers.push_back(&machine.tables.export_pages(2, 8));
    updates.push_back(&machine.make(OperationKind::kDeliberateUpdate, node, process,
                                    machine.tables.import(process, *buffers[node]),
                                    8 * wire::kPageSize));
    machine.begin(*updates[node]);
  }
  machine.queue.run();
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(updates[i]->accepted);
    CHECK(buffers[i]->memory == updates[i]->local);
  }
  // Both end at nearly the same time: the receiver takes a packet of one and then of the other.
  const double page = 190 + 409600;
  const Time last = std::max(updates[0]->delivered, updates[1]->delivered);
  const Time first = std::min(updates[0]->delivered, updates[1]->delivered);
  CHECK(to_ns(last) >= 16 * page);
  CHECK(to_ns(last) < 17 * page);
  CHECK(to_ns(last - first) == page);
}
