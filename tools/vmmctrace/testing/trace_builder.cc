// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/testing/trace_builder.h"

#include <fstream>
#include <stdexcept>

namespace vmmc::trace_tool::testing {

Record blank_record(wire::TraceEvent event, wire::TraceEngine engine) {
  Record record{};
  record.event = event;
  record.engine = engine;
  record.process = kUnknownProcess;
  record.peer_process = kUnknownProcess;
  return record;
}

TraceBuilder::TraceBuilder(std::uint64_t capacity, std::uint32_t rows, std::uint32_t columns,
                           const std::string& model)
    : capacity_(capacity), bytes_(wire::kTraceHeaderBytes + capacity * sizeof(Record), '\0') {
  poke(0, wire::kTraceMagic);
  poke(kVersionOffset, wire::kTraceVersion);
  poke(kClockOffset, model == "none" ? wire::kRealTime : wire::kSimulatedTime);
  poke(kRecordBytesOffset, static_cast<std::uint32_t>(sizeof(Record)));
  poke(kCapacityOffset, capacity);
  poke(kWrittenOffset + 8, std::uint64_t{1700000000000000000});
  poke(kRowsOffset, rows);
  poke(kRowsOffset + 4, columns);
  bytes_.replace(kModelOffset, model.size(), model);
}

std::size_t TraceBuilder::slot_offset(std::uint64_t n) const {
  return wire::kTraceHeaderBytes + n % capacity_ * sizeof(Record);
}

void TraceBuilder::add(Record record) {
  record.sequence = written_ + 1;
  poke(slot_offset(written_), record);
  say_written(++written_);
}

void TraceBuilder::tear(std::uint64_t n) { poke(slot_offset(n), std::uint64_t{0}); }

void TraceBuilder::say_written(std::uint64_t written) { poke(kWrittenOffset, written); }

std::string TraceBuilder::save(const std::string& path) const {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes_;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
  return path;
}

}  // namespace vmmc::trace_tool::testing
