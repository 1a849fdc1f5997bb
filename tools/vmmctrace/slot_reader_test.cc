// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/slot_reader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

namespace vmmc::trace_tool {
namespace {

// A file in memory, in which nicsim overwrites one slot before a certain read.
struct ChangingFile {
  std::vector<Record> records;
  int change_before = -1;  // this read
  std::size_t changed = 0;
  std::size_t bytes_after = ~std::size_t{0};  // cut off then
  int reads = 0;

  std::optional<std::size_t> operator()(void* to, std::size_t length, std::uint64_t offset) {
    if (reads++ == change_before) {
      records[changed].sequence += records.size();
      if (bytes_after != ~std::size_t{0}) records.resize(bytes_after / sizeof(Record));
    }
    const std::size_t first = offset - wire::kTraceHeaderBytes;
    const std::size_t there = records.size() * sizeof(Record);
    const std::size_t got = first >= there ? 0 : std::min(length, there - first);
    std::memcpy(to, reinterpret_cast<const char*>(records.data()) + first, got);
    return got;
  }
};

ChangingFile numbered(std::size_t count) {
  ChangingFile file;
  file.records.resize(count);
  for (std::size_t i = 0; i < count; ++i) file.records[i].sequence = i + 1;
  return file;
}

TEST_CASE("a file that does not change is read as it is") {
  for (const std::size_t count : {1, 4095, 4096, 4097, 10000}) {
    CAPTURE(count);
    std::vector<Record> slots(count);
    REQUIRE(read_slots(numbered(count), slots));
    for (std::size_t i = 0; i < count; ++i) REQUIRE(slots[i].sequence == i + 1);
  }
}

TEST_CASE("a slot that is written during any of the reads is not believed, its neighbours are") {
  for (const int read : {1, 2}) {
    CAPTURE(read);
    ChangingFile file = numbered(8);
    file.change_before = read;
    file.changed = 3;
    std::vector<Record> slots(8);
    REQUIRE(read_slots(std::ref(file), slots));
    for (std::size_t i = 0; i < 8; ++i) CHECK(slots[i].sequence == (i == 3 ? 0 : i + 1));
  }
}

TEST_CASE("a file that is cut off meanwhile gives nothing; an error is one") {
  ChangingFile file = numbered(8);
  file.change_before = 2;
  file.bytes_after = 5 * sizeof(Record);
  std::vector<Record> slots(8);
  REQUIRE(read_slots(std::ref(file), slots));
  for (const Record& record : slots) CHECK(record.sequence == 0);
  CHECK_FALSE(read_slots([](void*, std::size_t, std::uint64_t) { return std::nullopt; }, slots));
}

}  // namespace
}  // namespace vmmc::trace_tool
