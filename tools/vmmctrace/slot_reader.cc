// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/slot_reader.h"

#include <algorithm>

namespace vmmc::trace_tool {
namespace {

constexpr std::size_t kBlock = 4096;  // slots that are read at once

}  // namespace

bool read_slots(const ReadAt& read_at, std::vector<Record>& slots) {
  std::vector<Record> before(std::min(kBlock, slots.size()));
  std::vector<Record> after(before.size());
  for (std::size_t first = 0; first < slots.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, slots.size() - first);
    for (Record* to : {before.data(), &slots[first], after.data()}) {
      const std::size_t bytes = count * sizeof(Record);
      const auto got = read_at(to, bytes, wire::kTraceHeaderBytes + first * sizeof(Record));
      if (!got) return false;
      if (*got != bytes) std::fill_n(to, count, Record{});  // cut off under our hands
    }
    for (std::size_t i = 0; i < count; ++i) {
      Record& record = slots[first + i];
      const bool same_before = before[i].sequence == record.sequence;
      if (!same_before || after[i].sequence != record.sequence) record.sequence = 0;
    }
  }
  return true;
}

}  // namespace vmmc::trace_tool
