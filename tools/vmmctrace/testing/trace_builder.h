// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Lays out the bytes of a trace file, for tests, as nicsim/wire/trace_record.h says.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "nicsim/wire/simulated_time.h"
#include "tools/vmmctrace/record.h"

namespace vmmc::trace_tool::testing {

// Offsets of the header.
inline constexpr std::size_t kVersionOffset = 4;
inline constexpr std::size_t kClockOffset = 8;
inline constexpr std::size_t kRecordBytesOffset = 12;
inline constexpr std::size_t kCapacityOffset = 16;
inline constexpr std::size_t kWrittenOffset = 24;
inline constexpr std::size_t kRowsOffset = 40;
inline constexpr std::size_t kModelOffset = 48;

// A record with nothing in it.
Record blank_record(wire::TraceEvent event, wire::TraceEngine engine);

class TraceBuilder {
 public:
  // `model` is "none": real time.
  TraceBuilder(std::uint64_t capacity, std::uint32_t rows, std::uint32_t columns,
               const std::string& model);

  // Gives the record its number and writes it to its slot.
  void add(Record record);
  // The slot of number `n` is being written.
  void tear(std::uint64_t n);
  // What the header says.
  void say_written(std::uint64_t written);

  template <typename T>
  void poke(std::size_t offset, T value) {
    std::memcpy(&bytes_.at(offset), &value, sizeof value);
  }
  std::size_t slot_offset(std::uint64_t n) const;
  std::string& bytes() { return bytes_; }

  // Writes the file; its path.
  std::string save(const std::string& path) const;

 private:
  std::uint64_t capacity_;
  std::uint64_t written_ = 0;
  std::string bytes_;
};

}  // namespace vmmc::trace_tool::testing
