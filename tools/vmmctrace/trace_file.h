// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A trace file, read and checked. nicsim may be writing it at the same time.
//
// Threads: none of its own.
//
// Invariants
//   records() are in the order of their numbers, each number once, and every field of them is one that
//   the format has: event and engine are known, content_bytes is not above the room for it, node is one
//   of the machine's, time plus duration does not overflow.
//   overwritten() + records().size() + torn() + senseless() is the number of records that there have been.
//
// Memory: one copy of the ring, not more than the file has bytes.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "tools/vmmctrace/exit_code.h"
#include "tools/vmmctrace/record.h"

namespace vmmc::trace_tool {

// nicsim makes no larger ring.
inline constexpr std::uint64_t kMostRecords = std::uint64_t{1} << 24;
inline constexpr std::uint32_t kMostNodes = 4096;

// What the header says.
struct Machine {
  bool simulated;
  std::uint64_t capacity;  // records
  std::uint64_t began;     // ns since 1970
  std::uint32_t rows;
  std::uint32_t columns;
  std::string model;  // "none" in real time; printable ASCII

  std::uint32_t nodes() const { return rows * columns; }
};

class TraceFile {
 public:
  static std::variant<TraceFile, Failure> read(const std::string& path);

  const Machine& machine() const { return machine_; }
  const std::vector<Record>& records() const { return records_; }

  std::uint64_t total() const { return overwritten_ + records_.size() + torn_ + senseless_; }
  std::uint64_t overwritten() const { return overwritten_; }  // the ring was full
  std::uint64_t torn() const { return torn_; }                // not, or not wholly, in the file
  std::uint64_t senseless() const { return senseless_; }      // there, but no record of this format

  // Indexes of records(), by time; of those at one time, the longest first, then by number.
  std::vector<std::uint32_t> by_time() const;

 private:
  TraceFile() = default;
  void keep_good(std::uint64_t written);

  Machine machine_;
  std::vector<Record> records_;  // while it is read: the slots
  std::uint64_t overwritten_ = 0;
  std::uint64_t torn_ = 0;
  std::uint64_t senseless_ = 0;
};

// One line for each kind of loss: "12 earlier records were overwritten". None: nothing is lost.
std::vector<std::string> losses(const TraceFile& trace);

}  // namespace vmmc::trace_tool
