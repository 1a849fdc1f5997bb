// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/testing/sample_traces.h"

#include <algorithm>
#include <iterator>
#include <random>

#include "nicsim/wire/send_descriptor.h"
#include "nicsim/wire/status.h"

namespace vmmc::trace_tool::testing {
namespace {

using Event = wire::TraceEvent;
using Engine = wire::TraceEngine;

class SampleMaker {
 public:
  SampleMaker(TraceBuilder& trace, bool simulated) : trace_(trace), simulated_(simulated) {}

  void control() {
    Record record = at_sender(Event::kAttached, Engine::kControlServer);
    add(record);
    record.node = 1;
    record.process = 2;
    add(record);
    record.event = Event::kExported;
    record.buffer = 5;
    record.length = 12288;
    record.page = 16;
    add(record);
    record = at_sender(Event::kImported, Engine::kControlServer);
    record.buffer = 5;
    record.length = 12288;
    add(record);
    record.event = Event::kBound;
    record.length = 4096;
    add(record);
  }

  void begin(wire::Operation kind, std::uint64_t length, std::uint8_t flags = 0) {
    ++operation_;
    kind_ = static_cast<std::uint8_t>(kind);
    flags_ = flags;
    packet_ = 0;
    Record record = at_sender(Event::kTaken, Engine::kDeliberateUpdateEngine);
    if (kind == wire::Operation::kAutomaticUpdate) {
      record.event = Event::kStoreSnooped;
      record.engine = Engine::kSnoopLogic;
    }
    record.length = length;
    record.buffer = 5;
    add(record);
  }

  // Up to the backplane.
  void send(std::uint64_t length, std::uint64_t offset, bool last) {
    if (last) flags_ |= wire::kTraceLastPacket;
    length_ = length;
    offset_ = offset;
    if (kind_ == static_cast<std::uint8_t>(wire::Operation::kDeliberateUpdate)) {
      add(of_packet(Event::kSourceRead, Engine::kDeliberateUpdateEngine), 1500250);
    }
    Record lookup = of_packet(Event::kOutgoingLookup, Engine::kOutgoingPageTable);
    lookup.page = static_cast<std::uint32_t>(offset / 4096);
    lookup.value = 16 + offset / 4096;
    add(lookup);
    Record made = of_packet(Event::kPacketMade, Engine::kPacketizer);
    fill_content(made);
    add(made);
    fifo(Event::kFifoEntered, length);
    fifo(Event::kFifoLeft, 0);
    add(of_packet(Event::kPacketSent, Engine::kNetworkInterfaceChip), 800000);
    add(at_receiver(Event::kPacketCrossed, Engine::kBackplane, 1), 900125);
  }

  void arrive(wire::Status status) {
    Record lookup = at_receiver(Event::kIncomingLookup, Engine::kIncomingPageTable);
    lookup.page = static_cast<std::uint32_t>(16 + offset_ / 4096);
    lookup.status = static_cast<std::int32_t>(status);
    add(lookup);
    if (status != wire::Status::kOk) return;
    Record written = at_receiver(Event::kMemoryWritten, Engine::kIncomingDmaEngine);
    fill_content(written);
    add(written, 1200750);
  }

  void packet(std::uint64_t length, std::uint64_t offset, bool last) {
    send(length, offset, last);
    arrive(wire::Status::kOk);
    ++packet_;
  }

  void drop() {
    Record dropped = at_receiver(Event::kPacketDropped, Engine::kBackplane);
    fill_content(dropped);
    add(dropped);
  }

  void notify() {
    add(at_receiver(Event::kInterrupt, Engine::kProcessor), 5000000);
    add(at_receiver(Event::kNotified, Engine::kNotification, 1));
  }

  void complete(wire::Status status, Event event = Event::kCompleted) {
    Record record = at_sender(event, Engine::kDeliberateUpdateEngine);
    record.status = static_cast<std::int32_t>(status);
    record.buffer = 5;
    if (event == Event::kCompleted) record.value = 7654321;
    add(record);
  }

 private:
  Record at_sender(Event event, Engine engine) const {
    Record record = blank_record(event, engine);
    record.operation = operation_;
    record.kind = kind_;
    record.flags = flags_;
    record.packet = packet_;
    record.process = 1;
    record.peer = 1;
    record.peer_process = 2;
    return record;
  }

  Record of_packet(Event event, Engine engine, std::uint64_t value = 0) const {
    Record record = at_sender(event, engine);
    record.buffer = 5;
    record.length = length_;
    record.offset = offset_;
    record.value = value;
    return record;
  }

  Record at_receiver(Event event, Engine engine, std::uint64_t value = 0) const {
    Record record = of_packet(event, engine, value);
    std::swap(record.node, record.peer);
    std::swap(record.process, record.peer_process);
    return record;
  }

  void fifo(Event event, std::uint64_t bytes) {
    add(of_packet(event, Engine::kOutgoingFifo, bytes));
  }

  void fill_content(Record& record) const {
    record.content_bytes =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(length_, wire::kTraceContentBytes));
    std::fill_n(record.content, record.content_bytes, static_cast<std::byte>(0xa0 + operation_));
  }

  // Steps begin 250 ns after one another, however long they take: engines overlap.
  void add(Record record, std::uint64_t duration = 0) {
    time_ += 250000;
    record.time = time_;
    record.duration = simulated_ ? duration : 0;
    trace_.add(record);
  }

  TraceBuilder& trace_;
  bool simulated_;
  std::uint64_t time_ = 0;
  std::uint64_t operation_ = 0;
  std::uint8_t kind_ = 0;
  std::uint8_t flags_ = 0;
  std::uint32_t packet_ = 0;
  std::uint64_t length_ = 0;
  std::uint64_t offset_ = 0;
};

void make_run(SampleMaker maker) {
  maker.control();
  maker.begin(wire::Operation::kDeliberateUpdate, 9192);
  maker.packet(4096, 0, false);
  maker.packet(4096, 4096, false);
  maker.packet(1000, 8192, true);
  maker.complete(wire::Status::kOk);
  maker.begin(wire::Operation::kAutomaticUpdate, 4);
  maker.packet(8, 64, true);
  maker.begin(wire::Operation::kDeliberateUpdate, 4);
  maker.send(4, 0, true);
  maker.arrive(wire::Status::kUnexported);
  maker.begin(wire::Operation::kDeliberateUpdate, 64);
  maker.complete(wire::Status::kOutsideProxy, Event::kRefused);
  for (const std::uint64_t offset : {128, 256}) {
    maker.begin(wire::Operation::kDeliberateUpdate, 16, wire::kTraceNotifies);
    maker.packet(16, offset, true);
    maker.notify();
  }
  maker.begin(wire::Operation::kDeliberateUpdate, 32);
  maker.send(32, 512, true);
  maker.drop();
}

}  // namespace

TraceBuilder make_sample(Sample sample) {
  const bool simulated = sample != Sample::kReal;
  TraceBuilder trace(sample == Sample::kWrapped ? 16 : 128, 1, 2, simulated ? "shrimp-2" : "none");
  if (sample != Sample::kEmpty) make_run(SampleMaker(trace, simulated));
  if (sample == Sample::kTorn) {
    trace.tear(7);
    trace.tear(20);
  }
  return trace;
}

TraceBuilder make_random(std::uint32_t seed) {
  constexpr std::uint64_t kRecords = 4096;
  constexpr Event kEvents[] = {Event::kPacketSent,    Event::kPacketSent,    Event::kPacketCrossed,
                               Event::kMemoryWritten, Event::kMemoryWritten, Event::kIncomingLookup,
                               Event::kInterrupt,     Event::kNotified,      Event::kPacketDropped,
                               Event::kFifoEntered};
  std::mt19937 random(seed);
  TraceBuilder trace(kRecords, 2, 2, "shrimp-2");
  for (std::uint64_t n = 0; n < kRecords; ++n) {
    Record record = blank_record(kEvents[random() % std::size(kEvents)],
                                 static_cast<Engine>(random() % wire::kTraceEngines));
    record.time = random() % 5000000;
    record.duration = random() % 3 == 0 ? 0 : random() % 10000;
    record.operation = 1 + random() % 50;
    record.packet = random() % 3;
    record.node = static_cast<std::uint16_t>(random() % 4);
    record.peer = static_cast<std::uint16_t>(random() % 4);
    record.status = random() % 2 == 0 ? 0 : -61;
    record.length = random() % 4097;
    trace.add(record);
  }
  return trace;
}

}  // namespace vmmc::trace_tool::testing
