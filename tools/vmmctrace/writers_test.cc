// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/writers.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tools/vmmctrace/testing/sample_traces.h"

namespace vmmc::trace_tool {
namespace {

namespace json = boost::json;
using testing::make_sample;
using testing::Sample;
using testing::TraceBuilder;

const std::string kDirectory = std::getenv("TEST_TMPDIR");

std::string written(void (*write)(const TraceFile&, Sink&), const TraceBuilder& builder) {
  const std::string input = builder.save(kDirectory + "/trace");
  const auto trace = TraceFile::read(input);
  REQUIRE(std::holds_alternative<TraceFile>(trace));
  const std::string output = kDirectory + "/output";
  auto sink = Sink::open(output, input, true);
  REQUIRE(std::holds_alternative<Sink>(sink));
  write(std::get<TraceFile>(trace), std::get<Sink>(sink));
  REQUIRE_FALSE(std::get<Sink>(sink).close().has_value());
  std::ifstream file(output, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// One record with every field, and one with none, which happens before it.
TraceBuilder two_records() {
  TraceBuilder builder(4, 2, 2, "shrimp-2");
  Record record = testing::blank_record(wire::TraceEvent::kMemoryWritten,
                                        wire::TraceEngine::kIncomingDmaEngine);
  record.time = 1234567;
  record.duration = 1001;
  record.operation = 7;
  record.packet = 2;
  record.kind = 1;
  record.flags = wire::kTraceNotifies | wire::kTraceLastPacket;
  record.node = 3;
  record.peer = 1;
  record.process = 12;
  record.peer_process = 11;
  record.buffer = 5;
  record.length = 3;
  record.offset = 4096;
  record.content_bytes = 3;
  record.content[0] = std::byte{0x0a};
  record.content[1] = std::byte{0xff};
  builder.add(record);
  record = testing::blank_record(wire::TraceEvent::kAttached, wire::TraceEngine::kControlServer);
  record.time = 999;
  builder.add(record);
  return builder;
}

TEST_CASE("text") {
  CHECK(written(write_text, two_records()) ==
        "#0 1.234567 us + 0.001001 us node 3 incoming_dma_engine memory_written operation=7 "
        "kind=deliberate_update packet=2 peer=1 process=12 peer_process=11 buffer=5 length=3 "
        "offset=4096 content=0aff00 notifies last_packet\n"
        "#1 0.000999 us node 0 control_server attached\n");
  CHECK(written(write_text, make_sample(Sample::kWrapped))
            .starts_with("# 71 earlier records were overwritten\n#71 "));
}

TEST_CASE("csv") {
  CHECK(written(write_csv, two_records()) ==
        "sequence,time,duration,operation,packet,event,engine,kind,flags,status,node,peer,process,"
        "peer_process,buffer,page,length,offset,value,content_bytes,content\r\n"
        "1,1234567,1001,7,2,memory_written,incoming_dma_engine,deliberate_update,3,OK,3,1,12,11,5,"
        "0,3,4096,0,3,0aff00\r\n"
        "2,999,0,0,0,attached,control_server,,0,OK,0,0,,,0,0,0,0,0,0,\r\n");
}

TEST_CASE("run") {
  CHECK(written(write_run, two_records()) ==
        "{\"format\":\"vmmc-run\",\"version\":1,\"messages\":[\n"
        "{\"at_ms\":0,\"message\":{\"type\":\"hello\",\"protocol\":1,\"scenes\":[],\"models\":[],"
        "\"clock\":\"shrimp-2\",\"rows\":2,\"columns\":2,\"scene\":null}},\n"
        "{\"at_ms\":0.001234567,\"message\":{\"type\":\"records\",\"total\":2,\"shown\":2,"
        "\"lost\":0,\"records\":[\n"
        "{\"n\":1,\"time\":0.999,\"duration\":0.000,\"event\":\"attached\","
        "\"engine\":\"control_server\",\"node\":0},\n"
        "{\"n\":0,\"time\":1234.567,\"duration\":1.001,\"event\":\"memory_written\","
        "\"engine\":\"incoming_dma_engine\",\"node\":3,\"operation\":7,"
        "\"kind\":\"deliberate_update\",\"packet\":2,\"peer\":1,\"process\":12,"
        "\"peer_process\":11,\"buffer\":5,\"length\":3,\"offset\":4096,\"content\":\"0aff00\","
        "\"notifies\":true,\"last_packet\":true}]}}]}\n");
}

TEST_CASE("a long run comes in messages of bounded size and time, and loses nothing") {
  TraceBuilder builder(2048, 1, 1, "none");
  constexpr std::uint64_t kCount = 3000;
  for (std::uint64_t n = 0; n < kCount; ++n) {
    Record record = testing::blank_record(wire::TraceEvent::kLeft, wire::TraceEngine::kProcessor);
    record.time = (n < 2500 ? n : n * 1000) * 1000000;  // first 1 us apart, then 1 ms
    builder.add(record);
  }
  const json::value run = json::parse(written(write_run, builder));
  std::uint64_t next = kCount - 2048;
  double before = 0;
  for (const json::value& entry : run.at("messages").as_array()) {
    CHECK(entry.at("at_ms").to_number<double>() >= before);
    before = entry.at("at_ms").to_number<double>();
    const json::value& message = entry.at("message");
    if (message.at("type") == "hello") continue;
    const auto& records = message.at("records").as_array();
    CHECK(message.at("lost") == (next == kCount - 2048 ? next : 0));
    CHECK(message.at("shown") == records.size());
    CHECK(records.size() <= 500);
    CHECK(records.back().at("time").to_number<double>() -
              records.front().at("time").to_number<double>() <
          50e6);
    for (const json::value& record : records) CHECK(record.at("n") == next++);
  }
  CHECK(next == kCount);
}

TEST_CASE("every output of an empty trace is a good one") {
  const TraceBuilder empty = make_sample(Sample::kEmpty);
  CHECK(written(write_text, empty).empty());
  CHECK(json::parse(written(write_run, empty)).at("messages").as_array().size() == 1);
  CHECK(json::parse(written(write_perfetto, empty)).is_object());
  CHECK(written(write_info, empty) ==
        "clock    simulated, model shrimp-2\n"
        "nodes    1 x 2\n"
        "records  0 of 0; the ring holds 128\n");
}

}  // namespace
}  // namespace vmmc::trace_tool
