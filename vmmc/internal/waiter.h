// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Waiting for something that nicsim brings about: a word of our memory, the completion of a send.
//
// Threads and processes
//   Any number of threads wait at once, also in signal handlers: no lock, no allocation. nicsim
//   wakes all sleepers of the process, and each looks at its own condition again.
//
// Invariants
//   Nobody sleeps without having armed WakeRequest and looked once more, so no wake-up is lost.
//   nicsim's end wakes everybody (announce_end).
//
// What a crash at any instruction leaves behind
//   An armed flag: nicsim makes one needless wake-up call.
#pragma once

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "nicsim/wire/buffer_bell.h"
#include "nicsim/wire/channel.h"
#include "platform/adaptive_wait.h"
#include "platform/futex.h"
#include "platform/membarrier.h"
#include "vmmc/internal/clock.h"
#include "vmmc/internal/simulated_time.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

// The calling thread's adaptive wait, which remembers from wait to wait who else is on the core. A
// wait in a signal handler that interrupted a wait of its thread gets an object of its own.
class AdaptiveStep {
 public:
  AdaptiveStep() : nested_(state().busy), wait_(nested_ ? &own_ : &state().wait) {
    state().busy = true;
    wait_->reset();
  }
  ~AdaptiveStep() { state().busy = nested_; }
  AdaptiveStep(const AdaptiveStep&) = delete;
  AdaptiveStep& operator=(const AdaptiveStep&) = delete;

  bool wants_sleep() { return wait_->step() == platform::AdaptiveWait::Advice::kSleep; }
  std::uint64_t clock() const { return wait_->clock(); }

 private:
  struct State {
    platform::AdaptiveWait wait;
    bool busy = false;
  };
  static State& state() {
    [[gnu::tls_model("initial-exec")]] static thread_local constinit State state;
    return state;
  }

  const bool nested_;
  platform::AdaptiveWait own_;
  platform::AdaptiveWait* const wait_;
};

// What ends a sleep: nicsim's reasons (wire::kWakeOn...), and those who ring a bell
// (wire::kRingFor...).
struct SleepRequest {
  std::uint32_t reasons = 0;
  wire::BufferBell* bell = nullptr;
  std::uint32_t ring_for = 0;
};

// request() is asked right before each sleep.

struct AnythingWakes {
  SleepRequest request(wire::WakeRequest&) {
    return {.reasons = wire::kWakeOnArrival | wire::kWakeOnCompletion};
  }
};

struct CompletionWakes {
  SleepRequest request(wire::WakeRequest&) { return {.reasons = wire::kWakeOnCompletion}; }
};

class Waiter {
 public:
  explicit Waiter(wire::Channel& channel) : channel_(channel), time_(channel) {}

  SimulatedTime& time() { return time_; }
  const SimulatedTime& time() const { return time_; }

  // The right to watch a word: one thread has it, the others are woken by any arrival.
  bool begin_watch() { return !watching_.exchange(true, std::memory_order_acquire); }
  void end_watch() { watching_.store(false, std::memory_order_release); }

  bool nicsim_gone() const { return gone_.load(std::memory_order_acquire); }

  // Times that a sender has woken a thread of this process itself.
  std::uint64_t rung() const { return rung_.load(std::memory_order_relaxed); }

  // Words may have moved to other segments: whoever sleeps looks, and asks for his wake-up, again.
  void announce_move() { wake_everybody(); }

  // nicsim has ended: every wait, present and future, ends. note_end(): those that look; sleepers may
  // sleep on.
  void note_end() { gone_.store(true, std::memory_order_seq_cst); }
  void announce_end() {
    note_end();
    time_.announce_end();
    wake_everybody();
  }

  // Waits until condition() is true: VMMC_OK; VMMC_ERR_TIMEOUT after `timeout` ns;
  // VMMC_ERR_NICSIM_GONE. Looks at least once. `condition` is called often and must be cheap; its
  // loads must be acquire.
  template <typename Condition, typename Wakes = AnythingWakes>
  int wait_until(Condition condition, vmmc_wait_strategy strategy, std::uint64_t timeout,
                 Wakes&& wakes = {}) {
    if (condition()) return VMMC_OK;
    if (time_.on()) [[unlikely]]
      return wait_in_simulated_time(condition, timeout, wakes);
    Deadline deadline(timeout);
    AdaptiveStep adaptive;
    for (std::uint32_t looks = 1;; ++looks) {
      if (nicsim_gone()) return condition() ? VMMC_OK : VMMC_ERR_NICSIM_GONE;
      const bool wants_sleep = pause(strategy, adaptive);
      if (wants_sleep) sleep(condition, deadline, wakes);
      if (condition()) return VMMC_OK;
      const bool late =
          wants_sleep ? deadline.passed() : passed(deadline, strategy, adaptive, looks);
      if (late) return VMMC_ERR_TIMEOUT;
    }
  }

 private:
  void wake_everybody() {
    channel_.arrivals.count.fetch_add(1, std::memory_order_release);
    platform::futex_wake(channel_.arrivals.count);
  }

  static constexpr std::uint32_t kLooksPerClock = 64;

  // One pause between two looks; true: sleep.
  static bool pause(vmmc_wait_strategy strategy, AdaptiveStep& adaptive) {
    switch (strategy) {
      case VMMC_WAIT_SPIN:
        return false;
      case VMMC_WAIT_PAUSE:
        platform::pause_processor();
        return false;
      case VMMC_WAIT_YIELD:
        ::sched_yield();
        return false;
      case VMMC_WAIT_BLOCK:
        return true;
      case VMMC_WAIT_ADAPTIVE:
        break;
    }
    return adaptive.wants_sleep();
  }

  // A spinning look costs a few ns, a look at the clock some 25: so not one for each.
  static bool passed(Deadline& deadline, vmmc_wait_strategy strategy, const AdaptiveStep& adaptive,
                     std::uint32_t looks) {
    switch (strategy) {
      case VMMC_WAIT_SPIN:
      case VMMC_WAIT_PAUSE:
        return looks % kLooksPerClock == 1 && deadline.passed();
      case VMMC_WAIT_YIELD:
      case VMMC_WAIT_BLOCK:
        return deadline.passed();
      case VMMC_WAIT_ADAPTIVE:
        break;
    }
    return adaptive.clock() != 0 && deadline.passed(adaptive.clock());
  }

  template <typename Condition, typename Wakes>
  void sleep(Condition& condition, Deadline& deadline, Wakes& wakes) {
    const std::uint32_t count = channel_.arrivals.count.load(std::memory_order_acquire);
    const SleepRequest request = wakes.request(channel_.wake_request);
    if (request.bell != nullptr) {
      sleep_by_bell(condition, deadline, count, request);
      return;
    }
    channel_.wake_request.armed.fetch_or(request.reasons, std::memory_order_seq_cst);
    // Pairs with nicsim's fence between its stores and its look at the flag.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (condition() || nicsim_gone()) return;
    platform::futex_wait(channel_.arrivals.count, count, deadline.remaining());
  }

  // The same where senders wake us, too.
  template <typename Condition>
  void sleep_by_bell(Condition& condition, Deadline& deadline, std::uint32_t count,
                     const SleepRequest& request) {
    wire::BufferBell& bell = *request.bell;
    const std::uint32_t rings = bell.rings.load(std::memory_order_acquire);
    bell.armed.fetch_or(request.ring_for, std::memory_order_relaxed);
    channel_.wake_request.armed.fetch_or(request.reasons, std::memory_order_relaxed);
    // In the place of a fence between a sender's stores and its look at the bell.
    platform::fence_all_processes();
    if (condition() || nicsim_gone()) return;
    platform::futex_wait_for_either({channel_.arrivals.count, count}, {bell.rings, rings},
                                    deadline.remaining());
    if (bell.rings.load(std::memory_order_relaxed) != rings) {
      rung_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  // The first look is at the process's clock as it is when all that it has asked for has begun.
  template <typename Condition, typename Wakes>
  int wait_in_simulated_time(Condition& condition, std::uint64_t timeout, Wakes& wakes) {
    std::uint64_t clock = time_.now();
    const std::uint64_t end = SimulatedTime::end_of(clock, timeout);
    for (;;) {
      if (condition()) return VMMC_OK;
      if (nicsim_gone()) return VMMC_ERR_NICSIM_GONE;
      if (clock >= end) return VMMC_ERR_TIMEOUT;
      wire::WakeRequest asked{};
      const SleepRequest request = wakes.request(asked);
      clock = time_.park({.reasons = request.reasons,
                          .wait = SimulatedTime::until(end, clock),
                          .watch_segment = asked.watch_segment.load(std::memory_order_relaxed),
                          .watch_offset = asked.watch_offset.load(std::memory_order_relaxed)});
    }
  }

  wire::Channel& channel_;
  SimulatedTime time_;
  std::atomic<bool> gone_{false};
  std::atomic<bool> watching_{false};
  std::atomic<std::uint64_t> rung_{0};
};

}  // namespace vmmc::internal
