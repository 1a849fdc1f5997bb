// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The thread ('vmmc-combine') that closes packets whose time has come, and posts what a capturing
// thread had to leave behind.
//
// Threads and processes
//   start() and stop() by one thread at a time. expect() and wake(): any thread, async-signal-safe,
//   one system call only if the thread sleeps beyond `due`. The thread has asynchronous signals
//   blocked; a forked child does not have it.
//
// Invariants
//   next_look_ is the time of the thread's next look: 0 while one is sure to come soon, kNever while
//   it sleeps until it is woken. It is kNever during a look, so that whoever opens a packet behind
//   the look's back wakes the thread. A packet is opened, and looked at, under the same lock, and
//   expect() is called under it: so no packet is missed.
//   After the last packet it looks a few times more before it sleeps for good: a steady stream of
//   packets wakes it once in a while, not for each. An idle process uses no processor time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>

#include "platform/result.h"

namespace vmmc::internal {

class PacketTimer {
 public:
  static constexpr std::uint64_t kNever = UINT64_MAX;
  static constexpr unsigned kQuietLooks = 8;
  static constexpr std::uint64_t kShortestPeriod = 20'000;  // ns

  // `look(now)` closes what is due and returns when it wants to be called again, or kNever.
  using Look = std::function<std::uint64_t(std::uint64_t now)>;

  PacketTimer() = default;
  ~PacketTimer() { stop(); }
  PacketTimer(const PacketTimer&) = delete;
  PacketTimer& operator=(const PacketTimer&) = delete;

  // Starts the thread unless it runs. `period`: ns between the looks after the last packet; the
  // shortest of all that were ever given counts.
  std::optional<platform::SystemError> start(std::uint64_t period, Look look);
  void stop();

  // There is something to do at `due` (ns, monotonic clock).
  void expect(std::uint64_t due) {
    if (next_look_.load(std::memory_order_relaxed) > due) [[unlikely]]
      wake_until(due);
  }
  // There is something to do now, which the next look finds without a lock.
  void wake() {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with the one before a look
    expect(0);
  }

  std::uint64_t looks() const { return looks_.load(std::memory_order_relaxed); }
  std::uint64_t wakes() const { return wakes_.load(std::memory_order_relaxed); }

 private:
  void run();
  std::uint64_t after_look(std::uint64_t due, std::uint64_t now);
  void wake_until(std::uint64_t due);

  Look look_;
  std::atomic<std::uint64_t> period_{kNever};
  std::atomic<std::uint64_t> next_look_{0};
  std::atomic<std::uint32_t> wakes_{0};  // what the thread sleeps on
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> looks_{0};
  unsigned quiet_looks_ = 0;
  std::thread thread_;
};

}  // namespace vmmc::internal
