// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a loop that waits for memory to change does between two looks: pause, give the core away, or
// go to sleep.
//
//   AdaptiveWait wait;  // kept for the next wait: it has learned who else is on this core
//   ...
//   wait.reset();
//   while (!condition()) {
//     if (wait.step() == AdaptiveWait::Advice::kSleep) block();  // arm, look again, sleep
//   }
//
// Two modes. Alone: pauses between looks, and asks the kernel every microsecond or two
// (sched_yield) whether somebody else wants the core. Shared: yields at every step. A yield that
// takes clearly longer than the fastest one seen means that somebody else ran: shared from now on.
// A few fast ones in a row: alone again. What was learned outlives reset(), so a wait begins in the
// mode in which the one before ended.
//
// Sleep is advised (a) when this wait has used its budget of own time; time in which others ran is
// not charged, for they had work to do and we were in nobody's way; (b) when somebody ran for long
// during one yield: such a neighbour computes, and a sleeper that is woken gets the core from it
// sooner than one who queues for it. Advice is repeated at each further step until reset().
//
// After two such turns within 50 ms the waits of the next 100 ms do not yield: to find out whether
// the neighbour still computes would cost one of its turns. They look for about 10 us, as long as
// it takes to fall asleep and be woken, and then sleep. (One alone may be an
// accident: an interrupt, a stall of the virtual machine.) This outlives reset() too.
//
// Threads and processes
//   One object per waiting thread. A wait in a signal handler uses an object of its own (or a
//   copy).
// Async-signal-safe: no lock, no memory, no thread_local; errno is left unchanged. Times are in ns.
#pragma once

#include <algorithm>
#include <cstdint>

namespace vmmc::platform {

// What the object asks of the system; tests give their own.
struct WaitCalls {
  std::uint64_t (*now)();  // monotonic ns
  void (*yield)();         // lets somebody else run, if anybody wants to
};
extern const WaitCalls kRealWaitCalls;

// One look later: what the processor wants to be told in a loop that looks at memory.
inline void pause_processor() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

class AdaptiveWait {
 public:
  enum class Advice { kLook, kSleep };

  static constexpr std::uint64_t kDefaultBudget = 50'000;

  // For who waits for what comes every `interval` ns, or half as often: to fall asleep and be woken between
  // two of them costs more than to look for so long. Three intervals, since they are not all alike. What
  // comes so seldom that it would take more than 200 us to look for it is not looked for.
  static constexpr std::uint64_t budget_for(std::uint64_t interval) {
    constexpr std::uint64_t kLongest = 200'000;
    if (interval > kLongest / 2) return kDefaultBudget;
    return std::clamp(3 * interval, kDefaultBudget, kLongest);
  }

  constexpr explicit AdaptiveWait(std::uint64_t budget = kDefaultBudget,
                                  const WaitCalls* calls = &kRealWaitCalls)
      : calls_(calls), budget_(budget), left_(budget) {}

  // Of the waits that begin from now on.
  void set_budget(std::uint64_t budget) { budget_ = budget; }

  // Begins another wait.
  void reset() {
    left_ = budget_;
    stretch_began_ = 0;
    clock_ = 0;
    looks_left_ = shared_ ? 0 : looks_per_stretch_;
    sleep_ = false;
    looked_ = false;
  }

  // One step between two looks.
  Advice step() {
    if (looks_left_ > 0) {
      --looks_left_;
      pause_processor();
      return Advice::kLook;
    }
    return ask_kernel();
  }

  // What the clock said when this wait last read it; 0 if it has not. Spares its user a look at the
  // clock, which costs some 25 ns, for a deadline.
  std::uint64_t clock() const { return clock_; }

  // Whether it believes that somebody else wants this core.
  bool shared() const { return shared_; }

 private:
  Advice ask_kernel();
  void end_stretch(std::uint64_t now);
  void learn(std::uint64_t yield);
  Advice look_in_a_crowd();
  void note_long_turn();
  void charge(std::uint64_t time) { left_ -= time < left_ ? time : left_; }
  std::uint64_t longest_alone() const { return 2 * fastest_yield_; }

  // The first yield is taken for a slow one only beyond twice this; real ones soon replace it.
  static constexpr std::uint64_t kPresumedYield = 750;
  static constexpr std::uint32_t kFirstLooks = 40;

  const WaitCalls* calls_;
  std::uint64_t budget_;
  std::uint64_t left_;                            // of the budget
  std::uint64_t stretch_began_ = 0;               // end of the last yield of this wait; 0: none yet
  std::uint64_t fastest_yield_ = kPresumedYield;  // learned
  std::uint32_t looks_per_stretch_ = kFirstLooks;  // learned: about kStretch
  std::uint32_t looks_left_ = 0;                   // before the next yield; 0 when shared
  std::uint32_t fast_yields_ = 0;                  // in a row
  bool shared_ = true;  // learned; unknown at first, so ask the kernel at once
  bool sleep_ = false;
  bool looked_ = false;  // in a crowd
  std::uint64_t clock_ = 0;
  std::uint64_t last_long_turn_ = 0;
  std::uint64_t crowded_until_ = 0;  // learned: until then no wait yields
};

}  // namespace vmmc::platform
