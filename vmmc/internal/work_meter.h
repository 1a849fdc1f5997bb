// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How much processor time each thread uses for itself, between its operations: what nicsim is told while it
// records.
//
// A thread's meter stands still until its first operation ends, and while an operation is under way. Work
// that vmmc_compute() tells of counts instead of what was measured since the last operation.
//
// Threads and processes: any thread and signal handlers; no lock, no memory allocated. A handler that
// interrupts this very code may cost the thread a measurement, never more.
//
// What a crash at any instruction leaves behind: nothing.
#pragma once

#include <atomic>
#include <cstdint>

namespace vmmc::internal {

class WorkMeter {
 public:
  bool on() const { return on_; }

  // Once, in the thread that attaches, before other threads use it: that thread's meter runs.
  void start();

  // An operation of the calling thread begins.
  void stop();
  // ... and has ended.
  void go();
  // Work of so many ns: in place of what was measured since the last operation.
  void declare(std::uint64_t ns);

  // In the calling thread a notification handler begins: what leave_handler() needs to know.
  bool enter_handler();
  void leave_handler(bool ran);

  // The work that has not been told of yet, ns; it has been then.
  std::uint64_t take();
  // Of the calling thread: 1, 2, ...
  std::uint32_t thread();

 private:
  struct Own;
  static Own& own_of_thread();
  Own& own();

  bool on_ = false;
  std::uint64_t attachment_ = 0;  // so that a thread's meter is not taken for another attachment's
  std::uint64_t reading_ns_ = 0;  // what it costs to read the clock
  std::atomic<std::uint32_t> threads_{0};
};

}  // namespace vmmc::internal
