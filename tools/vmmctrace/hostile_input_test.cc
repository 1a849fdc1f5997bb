// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What is no trace, or a broken one.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "tools/vmmctrace/testing/sample_traces.h"
#include "tools/vmmctrace/writers.h"

namespace vmmc::trace_tool {
namespace {

using testing::make_sample;
using testing::Sample;
using testing::TraceBuilder;

const std::string kDirectory = std::getenv("TEST_TMPDIR");
const std::string kPath = kDirectory + "/trace";

Failure refused(const std::string& path) {
  const auto outcome = TraceFile::read(path);
  REQUIRE(std::holds_alternative<Failure>(outcome));
  return std::get<Failure>(outcome);
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("what cannot be read") {
  CHECK(refused(kDirectory + "/absent").exit_code == kExitUnreadable);
  CHECK(contains(refused(kDirectory + "/absent").what, "No such file"));
  CHECK(refused(kDirectory).exit_code == kExitUnreadable);
  const std::string pipe = kDirectory + "/pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(contains(refused(pipe).what, "not a regular file"));
}

TEST_CASE("what is something else") {
  const auto refuse_text = [](const std::string& text) {
    std::ofstream(kPath, std::ios::binary | std::ios::trunc) << text;
    return refused(kPath);
  };
  CHECK(refuse_text("").exit_code == kExitNoTrace);
  CHECK(contains(refuse_text("").what, "is empty"));
  CHECK(refuse_text("VM").exit_code == kExitNoTrace);
  CHECK(refuse_text(std::string(10000, 'x')).exit_code == kExitNoTrace);
  CHECK(contains(refuse_text(std::string(10000, 'x')).what, "not a trace of nicsim"));
  const Failure recording = refuse_text("VMMCREC\n" + std::string(500, '\1'));
  CHECK(recording.exit_code == kExitRecording);
  CHECK(contains(recording.what, "nicsim --record"));
}

TEST_CASE("another version") {
  TraceBuilder builder = make_sample(Sample::kSimulated);
  builder.poke(testing::kVersionOffset, std::uint32_t{2});
  const Failure failure = refused(builder.save(kPath));
  CHECK(failure.exit_code == kExitVersion);
  CHECK(contains(failure.what, "version 2"));
}

TEST_CASE("every length below that of the header and its records is cut off") {
  TraceBuilder builder = make_sample(Sample::kWrapped);
  const std::string whole = builder.bytes();
  for (std::size_t length = 4; length < whole.size(); length += length < 200 ? 1 : 97) {
    CAPTURE(length);
    builder.bytes() = whole.substr(0, length);
    CHECK(refused(builder.save(kPath)).exit_code == kExitCutOff);
  }
}

TEST_CASE("headers that make no sense") {
  const auto refuse_number = [](std::size_t offset, auto value) {
    TraceBuilder builder = make_sample(Sample::kSimulated);
    builder.poke(offset, value);
    const Failure failure = refused(builder.save(kPath));
    CHECK(failure.exit_code == kExitDamaged);
    return failure.what;
  };
  CHECK(contains(refuse_number(testing::kClockOffset, std::uint32_t{7}), "clock 7"));
  CHECK(contains(refuse_number(testing::kRecordBytesOffset, std::uint32_t{64}), "64 bytes"));
  for (const std::uint64_t capacity : {std::uint64_t{0}, std::uint64_t{127}, kMostRecords * 2,
                                       std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    CHECK(contains(refuse_number(testing::kCapacityOffset, capacity), "room for"));
  }
  CHECK(contains(refuse_number(testing::kWrittenOffset, ~std::uint64_t{0}), "written"));
  CHECK(contains(refuse_number(testing::kRowsOffset, std::uint32_t{0}), "0 x 2 nodes"));
  CHECK(contains(refuse_number(testing::kRowsOffset, ~std::uint32_t{0}), "nodes"));
  CHECK(contains(refuse_number(testing::kModelOffset, '\n'), "model"));
  TraceBuilder builder = make_sample(Sample::kSimulated);
  builder.bytes().replace(testing::kModelOffset, 64, std::string(64, 'x'));
  CHECK(contains(refused(builder.save(kPath)).what, "model"));
  builder = make_sample(Sample::kSimulated);
  builder.bytes() += 'x';
  CHECK(contains(refused(builder.save(kPath)).what, "longer than its ring"));
}

// Whatever the bytes are: a refusal, or a trace of which every output can be made.
void try_bytes(const TraceBuilder& builder) {
  const auto outcome = TraceFile::read(builder.save(kPath));
  if (std::holds_alternative<Failure>(outcome)) return;
  const auto& trace = std::get<TraceFile>(outcome);
  for (const auto write :
       {write_info, write_text, write_csv, write_run, write_perfetto, write_pcapng}) {
    auto sink = Sink::open("/dev/null", kPath, false);
    REQUIRE(std::holds_alternative<Sink>(sink));
    write(trace, std::get<Sink>(sink));
    CHECK_FALSE(std::get<Sink>(sink).close().has_value());
  }
}

TEST_CASE("random mutations") {
  const std::uint32_t seed = std::random_device{}();
  MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 1500; ++round) {
    TraceBuilder builder = make_sample(round % 2 == 0 ? Sample::kSimulated : Sample::kWrapped);
    std::string& bytes = builder.bytes();
    for (int changes = 1 + static_cast<int>(random() % 20); changes > 0; --changes) {
      // Mostly the records: a header that is damaged is soon refused.
      const bool in_header = random() % 16 == 0;
      const std::size_t at = in_header ? random() % 112 : 4096 + random() % (bytes.size() - 4096);
      bytes[at] = static_cast<char>(random() % 3 == 0 ? random() : random() % 64);
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    try_bytes(builder);
  }
}

}  // namespace
}  // namespace vmmc::trace_tool
