// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/packet_timer.h"

#include <sys/prctl.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "platform/futex.h"
#include "vmmc/internal/clock.h"
#include "vmmc/internal/signals_blocked.h"

namespace vmmc::internal {
std::optional<platform::SystemError> PacketTimer::start(std::uint64_t period, Look look) {
  period_.store(std::min(period_.load(), std::max(period, kShortestPeriod)));
  if (thread_.joinable()) return std::nullopt;
  look_ = std::move(look);
  stopping_.store(false);
  const SignalsBlocked blocked;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return platform::SystemError{"pthread_create", error.code().value()};
  }
  ::pthread_setname_np(thread_.native_handle(), "vmmc-combine");
  return std::nullopt;
}

void PacketTimer::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  wakes_.fetch_add(1);
  platform::futex_wake(wakes_);
  thread_.join();
}

// One of those who find the thread asleep for too long makes the call.
void PacketTimer::wake_until(std::uint64_t due) {
  std::uint64_t next = next_look_.load(std::memory_order_relaxed);
  while (next > due) {
    if (!next_look_.compare_exchange_weak(next, 0, std::memory_order_seq_cst)) continue;
    wakes_.fetch_add(1, std::memory_order_seq_cst);
    platform::futex_wake(wakes_);
    return;
  }
}

void PacketTimer::run() {
  ::prctl(PR_SET_TIMERSLACK, 1);  // else the kernel adds 50 us to each sleep
  while (!stopping_.load()) {
    const std::uint32_t wakes = wakes_.load(std::memory_order_seq_cst);
    next_look_.store(kNever, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const std::uint64_t due = look_(monotonic_ns());
    looks_.fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t now = monotonic_ns();
    const std::uint64_t next = after_look(due, now);
    if (next <= now) continue;
    // Somebody who found kNever has raised wakes_: then this is no sleep.
    next_look_.store(next, std::memory_order_seq_cst);
    platform::futex_wait(wakes_, wakes, next == kNever ? UINT64_MAX : next - now);
  }
}

std::uint64_t PacketTimer::after_look(std::uint64_t due, std::uint64_t now) {
  if (due != kNever) {
    quiet_looks_ = 0;
    return due;
  }
  if (++quiet_looks_ > kQuietLooks) return kNever;
  const std::uint64_t period = period_.load(std::memory_order_relaxed);
  return now + period < now ? kNever : now + period;
}

}  // namespace vmmc::internal
