// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/perfetto_tracks.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "tools/vmmctrace/testing/trace_builder.h"

namespace vmmc::trace_tool {
namespace {

using testing::TraceBuilder;
using Event = wire::TraceEvent;
using Engine = wire::TraceEngine;

TraceFile read(const TraceBuilder& builder) {
  auto outcome = TraceFile::read(builder.save(std::string(std::getenv("TEST_TMPDIR")) + "/trace"));
  REQUIRE(std::holds_alternative<TraceFile>(outcome));
  return std::get<TraceFile>(std::move(outcome));
}

struct Planned {
  explicit Planned(const TraceBuilder& builder)
      : trace(read(builder)),
        by_time(trace.by_time()),
        packets(trace, by_time),
        tracks(trace, by_time, packets) {}

  std::string name(std::uint32_t index) const { return track_name(tracks.track(index)); }

  TraceFile trace;
  std::vector<std::uint32_t> by_time;
  Packets packets;
  PerfettoTracks tracks;
};

void add(TraceBuilder& builder, std::uint64_t time, std::uint64_t duration, std::uint16_t node = 0,
         Engine engine = Engine::kProcessor) {
  Record record = testing::blank_record(Event::kInterrupt, engine);
  record.time = time;
  record.duration = duration;
  record.node = node;
  builder.add(record);
}

TEST_CASE("slices of a track that overlap, or nest, move to further tracks") {
  TraceBuilder builder(16, 1, 2, "shrimp-2");
  add(builder, 100, 50);
  add(builder, 120, 80);                            // overlaps the first
  add(builder, 130, 5);                             // lies within both
  add(builder, 150, 10);                            // begins when the first ends
  add(builder, 135, 0);                             // an instant needs no room
  add(builder, 120, 80, 1);                         // another node
  add(builder, 120, 80, 0, Engine::kNotification);  // another engine
  const Planned plan(builder);
  const char* names[] = {"processor", "processor (2)", "processor (3)", "processor",
                         "processor", "processor",     "notification"};
  for (std::uint32_t i = 0; i < 7; ++i) {
    CAPTURE(i);
    CHECK(plan.name(i) == names[i]);
  }
}

TEST_CASE("thread numbers are unique, 0 is none, and engines come in their order") {
  TraceBuilder builder(16, 1, 3, "none");
  add(builder, 1, 0, 2, Engine::kNotification);
  add(builder, 2, 0, 0, Engine::kOutgoingFifo);
  add(builder, 3, 0, 2, Engine::kProcessor);
  add(builder, 4, 0, 1, Engine::kBackplane);
  const Planned plan(builder);
  std::vector<std::string> names;
  std::uint32_t last = 0;
  for (const auto& [track, tid] : plan.tracks.all()) {
    CHECK(tid == last + 1);
    last = tid;
    names.push_back(std::to_string(track.pid) + ' ' + track_name(track));
  }
  CHECK(names == std::vector<std::string>{"999 node 1 > node 0", "999 trace", "1000 outgoing FIFO",
                                          "1002 processor", "1002 notification"});
}

Record packet(Event event, Engine engine, std::uint16_t node, std::uint64_t time,
              std::uint32_t number = 0) {
  Record record = testing::blank_record(event, engine);
  record.operation = 1;
  record.packet = number;
  record.node = node;
  record.peer = 1 - node;
  record.time = time;
  return record;
}

TEST_CASE("a packet's two ends find each other, both ways of a fetch, and are slices") {
  TraceBuilder builder(16, 1, 2, "none");
  builder.add(packet(Event::kPacketSent, Engine::kNetworkInterfaceChip, 0, 1000));
  builder.add(packet(Event::kPacketSent, Engine::kNetworkInterfaceChip, 0, 2000, 7));  // is lost
  builder.add(packet(Event::kMemoryWritten, Engine::kIncomingDmaEngine, 1, 3000));
  builder.add(packet(Event::kPacketSent, Engine::kNetworkInterfaceChip, 1, 4000));
  builder.add(packet(Event::kMemoryWritten, Engine::kIncomingDmaEngine, 0, 5000));
  builder.add(
      packet(Event::kMemoryWritten, Engine::kIncomingDmaEngine, 1, 6000, 8));  // sent before
  const Planned plan(builder);
  const std::uint32_t ends[] = {2, Packets::kNone, 0, 4, 3, Packets::kNone};
  for (std::uint32_t i = 0; i < 6; ++i) {
    CAPTURE(i);
    CHECK(plan.packets.other_end(i) == ends[i]);
    const bool slice = ends[i] != Packets::kNone;
    CHECK(plan.tracks.duration(i) == (slice ? PerfettoTracks::kShortSlice : 0));
  }
}

TEST_CASE("a packet may end with a refusal or by the fault plan") {
  TraceBuilder builder(16, 1, 2, "none");
  for (std::uint32_t number = 0; number < 3; ++number) {
    builder.add(packet(Event::kPacketSent, Engine::kNetworkInterfaceChip, 0, 1000, number));
  }
  Record lookup = packet(Event::kIncomingLookup, Engine::kIncomingPageTable, 1, 2000, 0);
  builder.add(lookup);  // in order: not an end
  lookup.status = -61;
  builder.add(lookup);
  builder.add(packet(Event::kPacketDropped, Engine::kBackplane, 1, 3000, 1));
  builder.add(packet(Event::kPacketCorrupted, Engine::kIncomingDmaEngine, 1, 3000, 2));
  const Planned plan(builder);
  CHECK(plan.packets.other_end(0) == 4);
  CHECK(plan.packets.other_end(1) == 5);
  CHECK(plan.packets.other_end(2) == 6);
  CHECK(plan.packets.other_end(3) == Packets::kNone);
}

}  // namespace
}  // namespace vmmc::trace_tool
