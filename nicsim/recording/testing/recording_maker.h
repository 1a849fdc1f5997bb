// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For tests: recordings made by hand.
#pragma once

#include <cstring>
#include <span>
#include <variant>
#include <vector>

#include "nicsim/recording/reader.h"

namespace vmmc::nicsim::recording::testing {

// Each call adds a record, 10 ns after the one before it; those of operations and marks take the
// process's next ticket.
class RecordingMaker {
 public:
  explicit RecordingMaker(std::uint32_t rows = 1, std::uint32_t columns = 2) {
    std::memcpy(header.magic, kMagic, sizeof kMagic);
    header.version = kFormatVersion;
    header.rows = rows;
    header.columns = columns;
    header.nodes = rows * columns;
    header.record_bytes = sizeof(Record);
  }

  Record& add(RecordKind kind, std::uint32_t process) {
    time += 10;
    Record record;
    record.time = time;
    record.kind = kind;
    record.process = process;
    records.push_back(record);
    return records.back();
  }
  std::uint32_t attach(std::uint32_t node) {
    Record& record = add(RecordKind::kAttach, processes);
    record.peer = node;
    record.buffer = processes;
    tickets.push_back(0);
    return processes++;
  }
  void export_buffer(std::uint32_t process, std::uint32_t id, std::uint64_t length,
                     bool notifies = false) {
    Record& record = add(RecordKind::kExport, process);
    record.buffer = id;
    record.length = length;
    record.flags = notifies ? kNotifies : 0;
  }
  void import_buffer(std::uint32_t process, std::uint32_t exporter, std::uint32_t id,
                     std::uint32_t slot) {
    Record& record = add(RecordKind::kImport, process);
    record.peer = exporter;
    record.buffer = id;
    record.slot = slot;
  }
  Record& operation(RecordKind kind, std::uint32_t process, std::uint32_t to, std::uint32_t id,
                    std::uint64_t offset, std::uint64_t length, std::uint8_t flags = 0) {
    Record& record = add(kind, process);
    record.peer = to;
    record.buffer = id;
    record.offset = offset;
    record.length = length;
    record.flags = flags;
    record.ticket = tickets[process]++;
    return record;
  }
  Record& mark(RecordKind kind, std::uint32_t process, std::uint64_t work = 0,
               std::uint32_t thread = 1) {
    Record& record = add(kind, process);
    record.thread = thread;
    record.length = work;
    record.ticket = tickets[process]++;
    return record;
  }
  Record& wait_for_word(std::uint32_t process, std::uint32_t id, std::uint64_t offset,
                        std::uint64_t work = 0) {
    Record& record = mark(RecordKind::kWaitForWord, process, work);
    record.width = 4;
    record.buffer = id;
    record.offset = offset;
    return record;
  }
  // Everything before it.
  void wait_for_completion(std::uint32_t process) {
    Record& record = mark(RecordKind::kWaitForCompletion, process);
    record.offset = record.ticket;
  }

  std::vector<std::byte> bytes(bool with_end = true) const {
    std::vector<Record> all = records;
    if (with_end) {
      Record end;
      end.time = time;
      end.kind = RecordKind::kEnd;
      end.value = records.size();
      all.push_back(end);
    }
    std::vector<std::byte> out(sizeof header + all.size() * sizeof(Record));
    std::memcpy(out.data(), &header, sizeof header);
    std::memcpy(out.data() + sizeof header, all.data(), all.size() * sizeof(Record));
    return out;
  }
  Recording recording(bool with_end = true) const {
    return std::get<Recording>(parse_recording(bytes(with_end), "made"));
  }

  FileHeader header{};
  std::vector<Record> records;
  std::vector<std::uint64_t> tickets;
  std::uint32_t processes = 0;
  std::uint64_t time = 0;
};

}  // namespace vmmc::nicsim::recording::testing
