// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <cstring>
#include <utility>

#include "nicsim/wire/status.h"
#include "tools/vmmctrace/testing/sample_traces.h"

namespace vmmc::trace_tool::testing {
namespace {

using Event = wire::TraceEvent;
using Engine = wire::TraceEngine;

class DatagramMaker {
 public:
  explicit DatagramMaker(TraceBuilder& trace) : trace_(trace) {}

  void take(std::uint64_t length) {
    ++operation_;
    Record record = at_sender(Event::kTaken, Engine::kProcessor);
    record.length = length_ = length;
    record.value = operation_ + 40;
    add(record);
    taken_ = time_;
  }
  void send(std::uint32_t packet, std::uint64_t length, std::uint8_t flags) {
    for (const Event event : {Event::kPacketMade, Event::kPacketSent}) {
      add(of_packet(event, packet, length, flags));
    }
  }
  void arrive(Event event, std::uint32_t packet, std::uint64_t length, std::uint8_t flags) {
    Record record = of_packet(event, packet, length, flags);
    std::swap(record.node, record.peer);
    std::swap(record.process, record.peer_process);
    add(record);
  }
  void end(Event event, wire::Status status, std::uint8_t flags = 0) {
    Record record = at_sender(event, Engine::kProcessor);
    record.status = static_cast<std::int32_t>(status);
    record.flags = flags;
    if (flags != 0) record.page = 9;
    record.length = length_;
    record.value = time_ + kStep - taken_;
    add(record);
  }

 private:
  Record at_sender(Event event, Engine engine) const {
    Record record = blank_record(event, engine);
    record.operation = operation_;
    record.kind = wire::kTraceRealTimeDatagram;
    record.process = 1;
    record.peer = 1;
    record.peer_process = 2;
    record.buffer = 7;
    return record;
  }
  static Engine engine_of(Event event) {
    switch (event) {
      case Event::kPacketMade:
        return Engine::kPacketizer;
      case Event::kPacketSent:
        return Engine::kNetworkInterfaceChip;
      case Event::kMemoryWritten:
        return Engine::kIncomingDmaEngine;
      default:
        return Engine::kBackplane;
    }
  }
  Record of_packet(Event event, std::uint32_t packet, std::uint64_t length,
                   std::uint8_t flags) const {
    Record record = at_sender(event, engine_of(event));
    record.packet = packet;
    record.length = length;
    record.offset = packet * 4096;
    record.flags = flags;
    if ((flags & wire::kTraceLendsPage) != 0) record.page = 9;
    if (event != Event::kPacketSent) {
      record.content_bytes = 4;
      std::memcpy(record.content, "data", 4);
    }
    return record;
  }
  void add(Record record) {
    record.time = time_ += kStep;
    trace_.add(record);
  }

  static constexpr std::uint64_t kStep = 250'000;  // ps
  TraceBuilder& trace_;
  std::uint64_t time_ = 0;
  std::uint64_t operation_ = 0;
  std::uint64_t length_ = 0;  // of the datagram, as of when it was taken:
  std::uint64_t taken_ = 0;
};

}  // namespace

TraceBuilder make_datagrams() {
  constexpr std::uint8_t kLent = wire::kTraceLendsPage | wire::kTraceLastPacket;
  TraceBuilder trace(64, 1, 2, "none");
  DatagramMaker maker(trace);
  maker.take(100);
  maker.send(0, 100, kLent);
  maker.arrive(Event::kPacketCrossed, 0, 100, kLent);
  maker.end(Event::kCompleted, wire::Status::kOk, wire::kTraceLendsPage);
  maker.take(5000);
  maker.send(0, 4096, 0);
  maker.arrive(Event::kMemoryWritten, 0, 4096, 0);
  maker.send(1, 904, wire::kTraceLastPacket);
  maker.arrive(Event::kPacketDropped, 1, 904, wire::kTraceLastPacket);
  maker.end(Event::kCompleted, wire::Status::kDatagramLost);
  maker.take(8);
  maker.end(Event::kRefused, wire::Status::kOverBudget);
  return trace;
}

}  // namespace vmmc::trace_tool::testing
