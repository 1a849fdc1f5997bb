// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The process's part in simulated time: its threads park in contexts of the channel, and nicsim lets them
// go on. In real time this object exists and does nothing but say so.
//
// Threads and processes
//   Any thread, and signal handlers, also of a thread that is parked: then the handler has a context of
//   its own. No lock, no memory allocated.
//
// Invariants: those of nicsim/wire/simulated_time.h. A thread that has taken part keeps its context until
// it ends, so that time stands still while it runs.
//
// What a crash at any instruction leaves behind: a channel that nicsim gives up.
#pragma once

#include <atomic>
#include <cstdint>

#include "nicsim/wire/channel.h"

namespace vmmc::internal {

class SimulatedTime {
 public:
  explicit SimulatedTime(wire::Channel& channel) : channel_(channel) {}
  ~SimulatedTime();
  SimulatedTime(const SimulatedTime&) = delete;
  SimulatedTime& operator=(const SimulatedTime&) = delete;

  // Once, before other threads use it, in the thread that attaches, which takes context 0; `doorbell`
  // stays open. A system error if there is no room for what each thread remembers.
  bool start(int doorbell);
  bool on() const { return on_; }

  struct Park {
    std::uint32_t reasons = 0;          // wire::kWakeOn..., or wire::kComputes
    std::uint64_t wait = wire::kNoEnd;  // picoseconds
    std::uint32_t watch_segment = 0;
    std::uint64_t watch_offset = 0;
    // Does not park, or goes on, if this word, which is changed before wake(), is not `expected`.
    const std::atomic<std::uint32_t>* word = nullptr;
    std::uint32_t expected = 0;
  };
  // Returns when nicsim lets the thread go on, or has ended: the process's clock, in picoseconds.
  std::uint64_t park(const Park& wish);

  // The program works for so long; what on_notification() brings about comes on top.
  void compute(std::uint64_t picoseconds);

  // From now on notifications, too, end the parks of all threads, and `function` is called in the
  // thread before it goes on. nullptr: not any more. Async-signal-safe.
  void on_notification(void (*function)(void*), void* argument);

  // The clock, when everything that the process has asked for so far has begun.
  std::uint64_t now() { return park({.wait = 0}); }
  // Lets so much time pass and looks for nothing meanwhile: the thread asks again and again for what
  // nicsim does not know of.
  void let_pass(std::uint64_t picoseconds) { park({.wait = picoseconds}); }
  // Between two looks at something that another thread of the process will bring about.
  void pause() { let_pass(kPause); }

  // The end, in picoseconds, of a timeout in ns from `clock` on; never: wire::kNoEnd. And how long that
  // is from another moment on.
  static std::uint64_t end_of(std::uint64_t clock, std::uint64_t timeout_ns) {
    if (timeout_ns >= (wire::kNoEnd - clock) / 1000) return wire::kNoEnd;
    return clock + timeout_ns * 1000;
  }
  static std::uint64_t until(std::uint64_t end, std::uint64_t clock) {
    return end == wire::kNoEnd ? wire::kNoEnd : end - clock;
  }

  // Those threads of the process that wait for this go on when the calling one is parked, at the clock
  // that the process has then.
  void wake(std::uint32_t reason);
  // They go on at once, side by side with the calling thread: it waits in real time for their end.
  void wake_at_once(std::uint32_t reason);

  // A thread that is about to be started takes part from now on: it calls adopt() with the number.
  int claim();
  void adopt(int context);
  // It could not be started.
  void release(int context);
  // Returns when it has parked for the first time, or has ended: up to then it runs side by side with
  // the calling thread.
  void await_first_park(int context) const;

  // The calling thread waits for something outside: time goes on without it until it comes back, which it
  // does when nothing else is to happen. Parking comes back, too.
  void leave();
  void come_back();

  // The calling thread, which the library has started, takes no part until it parks again.
  void give_back();

  // In a forked child: its thread is none of the parent's.
  void abandon_in_child() {
    if (on_) forget();
  }

  // nicsim has ended: nobody parks any more. Async-signal-safe.
  void announce_end();

 private:
  static constexpr std::uint64_t kPause = 1'000'000;  // 1 us

  struct Own;
  struct Went {
    std::uint64_t clock;
    std::uint64_t left;
  };
  static Own& own();
  static void forget();
  wire::TimeContext& context_of_thread(int& claimed);
  void await_going_on(const wire::TimeContext& context) const;
  Went park_once(const Park& wish);
  template <typename Do>
  void for_each_parked(std::uint32_t reason, Do what);
  static void let_go_on(wire::TimeContext& context);
  void ring() const;
  static void thread_ends(void* self);

  wire::Channel& channel_;
  bool on_ = false;
  int doorbell_ = -1;
  std::uint64_t attachment_ =
      0;  // of this process, so that a thread's context is not taken for another's
  std::atomic<bool> ended_{false};
  std::atomic<void (*)(void*)> on_notification_{nullptr};
  std::atomic<void*> argument_{nullptr};
  unsigned key_ = 0;  // pthread_key_t: gives a thread's context back when it ends
};

}  // namespace vmmc::internal
