// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/trace_file.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "tools/vmmctrace/testing/sample_traces.h"

namespace vmmc::trace_tool {
namespace {

using testing::make_sample;
using testing::Sample;
using testing::TraceBuilder;

const std::string kPath = std::string(std::getenv("TEST_TMPDIR")) + "/trace";

TraceFile accepted(const TraceBuilder& builder) {
  auto outcome = TraceFile::read(builder.save(kPath));
  if (const auto* failure = std::get_if<Failure>(&outcome)) FAIL(failure->what);
  return std::get<TraceFile>(std::move(outcome));
}

// Records whose value is their number.
TraceBuilder counted(std::uint64_t capacity, std::uint64_t count) {
  TraceBuilder builder(capacity, 1, 1, "none");
  for (std::uint64_t n = 0; n < count; ++n) {
    Record record = testing::blank_record(wire::TraceEvent::kTaken, wire::TraceEngine::kProcessor);
    record.value = n;
    builder.add(record);
  }
  return builder;
}

std::vector<std::uint64_t> values(const TraceFile& trace) {
  std::vector<std::uint64_t> all;
  for (const Record& record : trace.records()) {
    CHECK(record.number() == record.value);
    all.push_back(record.value);
  }
  return all;
}

using Values = std::vector<std::uint64_t>;

TEST_CASE("the machine is what the header says") {
  const TraceFile simulated = accepted(make_sample(Sample::kSimulated));
  CHECK(simulated.machine().simulated);
  CHECK(simulated.machine().model == "shrimp-2");
  CHECK(simulated.machine().rows == 1);
  CHECK(simulated.machine().columns == 2);
  CHECK(simulated.machine().capacity == 128);
  CHECK(losses(simulated).empty());
  const TraceFile real = accepted(make_sample(Sample::kReal));
  CHECK_FALSE(real.machine().simulated);
  CHECK(real.machine().model == "none");
  CHECK(real.machine().began == 1700000000000000000);
}

TEST_CASE("records come in the order of their numbers, from the oldest that is left") {
  CHECK(values(accepted(counted(4, 0))).empty());
  CHECK(values(accepted(counted(4, 3))) == Values{0, 1, 2});
  CHECK(values(accepted(counted(4, 4))) == Values{0, 1, 2, 3});
  const TraceFile wrapped = accepted(counted(4, 9));
  CHECK(values(wrapped) == Values{5, 6, 7, 8});
  CHECK(wrapped.overwritten() == 5);
  CHECK(wrapped.total() == 9);
  CHECK(losses(wrapped) == std::vector<std::string>{"5 earlier records were overwritten"});
}

TEST_CASE("a torn record is lost, and said to be") {
  TraceBuilder builder = counted(4, 6);
  builder.tear(3);
  const TraceFile trace = accepted(builder);
  CHECK(values(trace) == Values{2, 4, 5});
  CHECK(trace.torn() == 1);
  CHECK(trace.total() == 6);
  CHECK(losses(trace).back() == "1 record was torn or never written");
}

TEST_CASE("a record of the round before does not stand for one that was never written") {
  TraceBuilder builder = counted(4, 6);
  builder.say_written(7);
  const TraceFile trace = accepted(builder);
  CHECK(values(trace) == Values{3, 4, 5});
  CHECK(trace.overwritten() == 3);
  CHECK(trace.torn() == 1);
}

TEST_CASE("records behind `written` are good if their numbers fit") {
  TraceBuilder builder = counted(4, 7);
  builder.say_written(5);
  CHECK(values(accepted(builder)) == Values{3, 4, 5, 6});
  builder.say_written(0);  // so many at once cannot be behind
  const TraceFile trace = accepted(builder);
  CHECK(values(trace) == Values{3});
  CHECK(trace.torn() == 3);
}

TEST_CASE("a number that fits its slot, but is absurd, does not make everything else old") {
  TraceBuilder builder = counted(4, 4);
  builder.poke(builder.slot_offset(1), std::uint64_t{1} << 40 | 2);
  const TraceFile trace = accepted(builder);
  CHECK(values(trace) == Values{0, 2, 3});
  CHECK(trace.torn() == 1);
}

TEST_CASE("a record that is none of the format is damaged") {
  const std::vector<std::pair<std::size_t, std::uint8_t>> changes = {
      {offsetof(Record, event), 99},         {offsetof(Record, engine), 12},
      {offsetof(Record, content_bytes), 37}, {offsetof(Record, node), 1},
      {offsetof(Record, time) + 7, 0x80},    {offsetof(Record, duration) + 7, 0x80}};
  for (const auto& change : changes) {
    CAPTURE(change.first);
    TraceBuilder builder = counted(4, 3);
    builder.poke(builder.slot_offset(1) + change.first, change.second);
    const TraceFile trace = accepted(builder);
    CHECK(values(trace) == Values{0, 2});
    CHECK(trace.senseless() == 1);
    CHECK(losses(trace) == std::vector<std::string>{"1 record was damaged"});
  }
}

TEST_CASE("a file need not have room for records that were never written") {
  TraceBuilder builder = counted(16, 3);
  builder.bytes().resize(builder.slot_offset(3) + 100);
  CHECK(values(accepted(builder)) == Values{0, 1, 2});
}

TEST_CASE("by time: a longer one before a shorter one that begins with it") {
  TraceBuilder builder(8, 1, 1, "none");
  Record record = testing::blank_record(wire::TraceEvent::kTaken, wire::TraceEngine::kProcessor);
  const std::pair<std::uint64_t, std::uint64_t> times[] = {{5, 0}, {3, 1}, {3, 4}, {5, 0}, {1, 0}};
  for (const auto& [time, duration] : times) {
    record.time = time;
    record.duration = duration;
    builder.add(record);
  }
  CHECK(accepted(builder).by_time() == std::vector<std::uint32_t>{4, 2, 1, 0, 3});
}

}  // namespace
}  // namespace vmmc::trace_tool
