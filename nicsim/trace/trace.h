// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The trace of nicsim: a ring of records in memory, described in nicsim/wire/trace_record.h. Everything
// that looks into the machine over time (trace files, Perfetto, pcapng, the lab's page) is a view of it.
//
// While it is off, who would write a record finds out by one branch:
//
//   if (trace.on()) [[unlikely]] trace.write({.event = ..., ...});
//
// Threads: used by nicsim's one thread. Other processes read the ring by readable_copy().
//
// What a crash at any instruction leaves behind: the file, if there is one, up to the last save().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "nicsim/attention.h"
#include "nicsim/wire/trace_record.h"
#include "platform/file_descriptor.h"

namespace vmmc::nicsim {

// A record as it is handed over: the fields of wire::TraceRecord but for its number. `time` and
// `duration` are in picoseconds of now()'s clock.
struct TraceEntry {
  wire::TraceEvent event;
  wire::TraceEngine engine;
  std::uint8_t kind = 0;
  std::uint8_t flags = 0;
  std::uint64_t time = 0;
  std::uint64_t duration = 0;
  std::uint64_t operation = 0;
  std::uint32_t packet = 0;
  std::int32_t status = 0;
  std::uint32_t node = 0;
  std::uint32_t peer = 0;
  std::uint32_t process = 0xffffffff;
  std::uint32_t peer_process = 0xffffffff;
  std::uint32_t buffer = 0;
  std::uint32_t page = 0;
  std::uint64_t length = 0;
  std::uint64_t offset = 0;
  std::uint64_t value = 0;
  std::span<const std::byte> content{};  // the first wire::kTraceContentBytes of it are kept
};

class Trace {
 public:
  // 2^17 records are 16 MiB.
  static constexpr std::uint64_t kDefaultRecords = std::uint64_t{1} << 17;
  static constexpr std::uint64_t kLeastRecords = 1024;
  static constexpr std::uint64_t kMostRecords = std::uint64_t{1} << 24;

  // `attention`, if there is one, is told whether the trace is on.
  explicit Trace(Attention* attention = nullptr);
  ~Trace();  // as stop()
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  // What the header says of the machine. `now` gives the time in picoseconds: CLOCK_MONOTONIC, or
  // simulated time.
  struct Machine {
    std::uint32_t clock;  // wire::kRealTime, wire::kSimulatedTime
    std::uint32_t rows;
    std::uint32_t columns;
    std::string model;
    std::function<std::uint64_t()> now;
  };
  // Once, before anything else.
  void describe(Machine machine);

  // Begins a new, empty ring of at least so many records (rounded up to a power of two). An error
  // number: no memory, or it is on already (EALREADY).
  int start(std::uint64_t records);
  // The same, and keeps `file`, which is empty and open for writing, up to date: see save().
  int start(std::uint64_t records, platform::FileDescriptor file);
  // Off. The ring stays readable until the next start().
  void stop();

  bool on() const { return on_; }
  // How many have been started: the number of the one that is on, 1 for the first.
  std::uint32_t generation() const { return generation_; }
  std::uint64_t now() const;  // picoseconds since the trace began; simulated time as it is
  void write(const TraceEntry& entry);

  // Writes what is new to the file, if there is one; write() does so itself before records are overwritten
  // that the file has not got. A file that cannot be written any more is given up, which is logged once;
  // the ring goes on. Returns when the file has it: a slow disk makes nicsim slow.
  void save();
  // The same whenever nicsim has nothing to do, which may be very often: at most once in kSaveInterval,
  // unless kSaveRecords are new. When to call it again at the latest; the largest time: the file has all.
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kSaveInterval{100};
  static constexpr std::uint64_t kSaveRecords = 4096;
  Clock::time_point save_seldom();

  std::uint64_t written() const;   // records, since start()
  std::uint64_t capacity() const;  // 0: never started
  // Record number n, if the ring still has it.
  const wire::TraceRecord* find(std::uint64_t n) const;

  // A descriptor of the ring (as a file of the format) that cannot be written to; invalid if there has
  // never been one.
  platform::FileDescriptor readable_copy() const;

 private:
  struct Ring;
  void begin();
  void give_file_up();
  void switch_to(bool on);

  Attention* const attention_;
  bool on_ = false;
  std::uint32_t generation_ = 0;
  Machine machine_;
  std::unique_ptr<Ring> ring_;
};

}  // namespace vmmc::nicsim
