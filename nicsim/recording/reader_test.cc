// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/recording/reader.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <functional>
#include <random>

#include "nicsim/recording/testing/recording_maker.h"

using namespace vmmc::nicsim::recording;
using testing::RecordingMaker;

namespace {

// One record of each kind.
RecordingMaker all_kinds() {
  RecordingMaker made;
  const std::uint32_t a = made.attach(0);
  const std::uint32_t b = made.attach(1);
  made.export_buffer(b, 7, 10000, true);
  made.import_buffer(a, b, 7, 0);
  made.mark(RecordKind::kWork, a, 1500);
  made.operation(RecordKind::kDeliberateUpdate, a, b, 7, 0, 64, kNotify);
  made.operation(RecordKind::kAutomaticUpdate, a, b, 7, 64, 8, kCombinesBlock);
  made.operation(RecordKind::kFetch, a, b, 7, 9000, 1000);
  made.operation(RecordKind::kAtomic, a, b, 7, 8, 8);
  made.add(RecordKind::kFlush, a).ticket = made.tickets[a]++;
  made.wait_for_completion(a);
  made.mark(RecordKind::kWaitForSources, a);
  made.mark(RecordKind::kWaitForRoom, a);
  made.wait_for_word(b, 7, 60);
  Record& elsewhere = made.wait_for_word(b, 0, 0);
  elsewhere.flags = kNoBuffer | kTimedOut;
  elsewhere.slot = 12;
  made.mark(RecordKind::kWaitForNotification, b);
  made.mark(RecordKind::kHandlerBegins, b, 0, 2);
  made.mark(RecordKind::kHandlerEnds, b, 300, 2);
  made.add(RecordKind::kUnimport, a).slot = 0;
  made.add(RecordKind::kUnexport, b).buffer = 7;
  made.add(RecordKind::kLeave, a);
  return made;
}

std::string problem_of(const std::vector<std::byte>& bytes) {
  const auto read = parse_recording(bytes, "FILE");
  const auto* problem = std::get_if<std::string>(&read);
  return problem == nullptr ? "" : *problem;
}

// Of the recording with one change.
std::string problem_after(const std::function<void(RecordingMaker&)>& change) {
  RecordingMaker made = all_kinds();
  change(made);
  return problem_of(made.bytes());
}

Record& find(RecordingMaker& made, RecordKind kind) {
  for (Record& record : made.records) {
    if (record.kind == kind) return record;
  }
  std::abort();
}

std::uint64_t seed() {
  const char* given = std::getenv("SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

}  // namespace

TEST_CASE("a recording is read as it was written") {
  const RecordingMaker made = all_kinds();
  const Recording read = made.recording();
  CHECK(read.records == made.records);
  CHECK(read.cut_off.empty());
  CHECK(read.processes == 2);
  CHECK(read.header.nodes == 2);
}

TEST_CASE("every kind has a line of text") {
  const RecordingMaker made = all_kinds();
  for (const Record& record : made.records) {
    const std::string text = to_text(record);
    CHECK(text.starts_with(std::to_string(record.time) + " ns: process "));
    CHECK(text.find('\n') == std::string::npos);
  }
  CHECK(to_text(made.records[5]) ==
        "60 ns: process 0 deliberate update: 64 bytes to process 1, buffer 7, offset 0, notifies");
  CHECK(to_text(made.records[13]) ==
        "140 ns: process 1 thread 1 worked 0 ns, then waited for a word of 4 bytes in buffer 7, "
        "offset 60, = 0, 0 us");
}

TEST_CASE("what is no recording, or of another version, is refused") {
  CHECK(problem_of({}) == "FILE: not a recording");
  CHECK(problem_of(std::vector<std::byte>(1000)) == "FILE: not a recording");
  CHECK(problem_after([](RecordingMaker& made) { made.header.version = 2; }) ==
        "FILE: a recording of version 2; this program reads version 1");
  CHECK(problem_after([](RecordingMaker& made) { made.header.nodes = 3; }) ==
        "FILE: its header is corrupt");
  auto bytes = all_kinds().bytes();
  bytes.resize(20);
  CHECK(problem_of(bytes) == "FILE: cut off in its header");
}

TEST_CASE("a recording without its end is read up to the cut") {
  const auto bytes = all_kinds().bytes(false);
  const auto read = parse_recording(std::span(bytes).first(bytes.size() - 30), "FILE");
  const auto& recording = std::get<Recording>(read);
  CHECK(recording.records.size() == all_kinds().records.size() - 1);
  CHECK(recording.cut_off == "FILE is cut off after 20 records, at 200 ns");
  const auto empty = parse_recording(std::span(bytes).first(sizeof(FileHeader)), "FILE");
  CHECK(std::get<Recording>(empty).cut_off == "FILE is cut off after 0 records, at 0 ns");
}

TEST_CASE("a corrupt record is named, with what is wrong") {
  const auto corrupt = [](const char* what, const std::function<void(RecordingMaker&)>& change) {
    const std::string problem = problem_after(change);
    CAPTURE(problem);
    CHECK(problem.starts_with("FILE: record "));
    CHECK(problem.ends_with(std::string(" is corrupt: ") + what));
  };
  using Maker = RecordingMaker;
  corrupt("there is no such kind",
          [](Maker& made) { made.records[4].kind = static_cast<RecordKind>(21); });
  corrupt("a field is set that its kind does not have",
          [](Maker& made) { made.records[0].value = 1; });
  corrupt("its time is before that of the record before it",
          [](Maker& made) { made.records[4].time = 1; });
  corrupt("its process attaches out of turn", [](Maker& made) { made.records[1].process = 5; });
  corrupt("there is no such node", [](Maker& made) { made.records[1].peer = 2; });
  corrupt("its process is not attached", [](Maker& made) { made.records[4].process = 2; });
  corrupt("its process is not attached",
          [](Maker& made) { made.mark(RecordKind::kWork, 0); });  // it has left
  corrupt("its ticket is not after the last one",
          [](Maker& made) { find(made, RecordKind::kFetch).ticket = 0; });
  corrupt("its bytes are not inside the buffer",
          [](Maker& made) { find(made, RecordKind::kFetch).length = 1001; });
  corrupt("its bytes are not inside the buffer",
          [](Maker& made) { find(made, RecordKind::kFetch).offset = UINT64_MAX; });
  corrupt("there is no such buffer",
          [](Maker& made) { find(made, RecordKind::kFetch).buffer = 8; });
  corrupt("there is no such buffer", [](Maker& made) { made.wait_for_word(1, 7, 0); });
  corrupt("the slot holds an import already", [](Maker& made) {
    Record again = find(made, RecordKind::kImport);
    made.records.insert(made.records.begin() + 4, again);
  });
  corrupt("there is no such comparison",
          [](Maker& made) { find(made, RecordKind::kWaitForWord).comparison = 3; });
  corrupt("it waited for what came later",
          [](Maker& made) { ++find(made, RecordKind::kWaitForCompletion).offset; });
  corrupt("no work is so long",
          [](Maker& made) { find(made, RecordKind::kWork).length = kLongestNs + 1; });
}

TEST_CASE("the end counts the records, and is the last of them") {
  auto bytes = all_kinds().bytes();
  bytes.push_back(std::byte{0});
  CHECK(problem_of(bytes) == "FILE: corrupt: something stands behind its end");
  RecordingMaker made = all_kinds();
  bytes = made.bytes();
  const std::size_t first = sizeof(FileHeader);
  bytes.erase(bytes.end() - 2 * sizeof(Record), bytes.end() - sizeof(Record));
  CHECK(problem_of(bytes) ==
        "FILE: record 20 is corrupt: the end counts other records than there are");
  CHECK(first == 32);
}

TEST_CASE("whatever is changed or cut, it is read or refused in one line") {
  const std::uint64_t used_seed = seed();
  MESSAGE("SEED=" << used_seed);
  std::mt19937_64 random(used_seed);
  const auto whole = all_kinds().bytes();
  int refused = 0;
  int cut = 0;
  for (int round = 0; round < 20000; ++round) {
    auto bytes = whole;
    const auto changes = random() % 4;
    for (std::uint64_t i = 0; i < changes; ++i) {
      bytes[random() % bytes.size()] ^= static_cast<std::byte>(1u << (random() % 8));
    }
    if (random() % 2 == 0) bytes.resize(random() % (bytes.size() + 1));
    const auto read = parse_recording(bytes, "FILE");
    if (const auto* problem = std::get_if<std::string>(&read)) {
      ++refused;
      REQUIRE(problem->starts_with("FILE: "));
      REQUIRE(problem->find('\n') == std::string::npos);
    } else if (!std::get<Recording>(read).cut_off.empty()) {
      ++cut;
    }
  }
  CHECK(refused > 1000);
  CHECK(cut > 1000);
}
