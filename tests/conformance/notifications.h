// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of notifications share: the ways of delivery, letting handlers run, and a handler
// that takes note of its calls.
//
// Threads and processes: one part of run_processes each; the handlers are async-signal-safe.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

#include "tests/conformance/conformance.h"

namespace vmmc::testing {

inline constexpr vmmc_delivery kWays[] = {VMMC_DELIVER_BY_THREAD, VMMC_DELIVER_BY_SIGNAL,
                                          VMMC_DELIVER_BY_DISPATCH};

inline constexpr std::uint32_t kQueued = 512;  // notifications that a process's queue holds

inline void attach_with(vmmc_delivery way) {
  vmmc_init_options options = VMMC_INIT_DEFAULTS;
  options.delivery = way;
  EXPECT(vmmc_init(&options) == VMMC_OK);
}

inline int export_status(void* memory, std::size_t length, std::uint32_t id, vmmc_handler handler,
                         void* argument = nullptr) {
  vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
  options.handler = handler;
  options.handler_argument = argument;
  return vmmc_export(memory, length, id, &options);
}

inline unsigned char* export_with(std::size_t length, std::uint32_t id, vmmc_handler handler,
                                  void* argument = nullptr) {
  void* memory = allocate(buffer_length(length));
  EXPECT(export_status(memory, buffer_length(length), id, handler, argument) == VMMC_OK);
  return static_cast<unsigned char*>(memory);
}

inline Proxy import_all_rights(std::uint32_t part, std::uint32_t id) {
  return import_by(VMMC_EXECUTOR_AUTO, part, id, VMMC_READ | VMMC_WRITE);
}

inline void notify(std::uint32_t value, unsigned char* proxy, std::uint32_t immediate) {
  EXPECT(vmmc_send_notify(&value, proxy, sizeof value, immediate) == VMMC_OK);
}

inline vmmc_counters counters() {
  vmmc_counters counted;
  EXPECT(vmmc_get_counters(&counted) == VMMC_OK);
  return counted;
}

// Sleeps, without a time limit, until there is something to dispatch.
inline void await_dispatchable() {
  pollfd descriptor{vmmc_notification_fd(), POLLIN, 0};
  EXPECT(descriptor.fd >= 0);
  // In simulated time the program that sleeps in the kernel lets the others stand still, too.
  const int patience = vmmc_time_is_simulated() == 1 ? 0 : -1;
  while (::poll(&descriptor, 1, patience) != 1) {
    if (patience == 0) let_time_pass();
  }
}

inline bool is_dispatchable() {
  pollfd descriptor{vmmc_notification_fd(), POLLIN, 0};
  return ::poll(&descriptor, 1, 0) == 1;
}

// Lets handlers run until it is so. A notification that is not announced hangs here.
template <typename Condition>
void serve_until(vmmc_delivery way, Condition condition) {
  while (!condition()) {
    if (way == VMMC_DELIVER_BY_DISPATCH) {
      await_dispatchable();
      EXPECT(vmmc_dispatch(0) >= 0);
    } else {
      let_time_pass();
    }
  }
}

// Looks until it is so.
template <typename Condition>
void await_that(Condition condition) {
  while (!condition()) let_time_pass();
}

// What the handlers of a part were called with, in the order of the calls.
class Log {
 public:
  static constexpr std::size_t kRoom = 8192;

  std::uint32_t calls() const { return calls_.load(std::memory_order_acquire); }
  const vmmc_notification& operator[](std::size_t call) const { return seen_[call]; }
  static bool running() { return running_.load() != 0; }

  // A handler; `log` is a Log.
  static void record(const vmmc_notification* notification, void* log) {
    const Running running;
    static_cast<Log*>(log)->add(*notification);
  }

  // Fails if another handler runs.
  class Running {
   public:
    Running() { EXPECT(running_.fetch_add(1) == 0); }
    ~Running() { running_.fetch_sub(1); }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
  };

  void add(const vmmc_notification& notification) {
    const std::uint32_t call = calls_.load(std::memory_order_relaxed);
    EXPECT(call < kRoom);
    seen_[call] = notification;
    calls_.store(call + 1, std::memory_order_release);
  }

 private:
  inline static std::atomic<int> running_{0};
  std::array<vmmc_notification, kRoom> seen_{};
  std::atomic<std::uint32_t> calls_{0};
};

// Runs `body(way)` for each way of delivery.
template <typename Body>
void for_each_way(Body body) {
  for (const vmmc_delivery way : kWays) {
    CAPTURE(static_cast<int>(way));
    body(way);
  }
}

}  // namespace vmmc::testing
