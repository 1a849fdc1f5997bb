// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/adaptive_wait.h"

#include <sched.h>

#include <algorithm>

#include "platform/clock.h"

namespace vmmc::platform {
namespace {

// docs/decisions/0003-adaptive-waiting.md has the measurements behind these values. Times in ns.

// Between two yields when alone: long enough that most of the time is spent looking (a yield that
// finds nobody takes about 450), short enough that a newcomer to the core hardly waits.
constexpr std::uint64_t kStretch = 1000;

// A stretch is charged at most so much: what is beyond was not ours, the core was taken away.
constexpr std::uint64_t kLongestStretch = 8 * kStretch;

// Looks in a stretch, a bound for clocks so coarse that a stretch seems to take no time.
constexpr std::uint32_t kMostLooks = 4096;

// In a row. One proves nothing: many yields return at once although somebody wants the core.
constexpr std::uint32_t kFastYieldsWhenAlone = 3;

// Who runs for this long during one yield computes: a process that waits, or serves messages, gives
// the core back after microseconds, one that computes after its time slice of milliseconds.
constexpr std::uint64_t kLongTurn = 500'000;

// Who computes is likely to go on: a second long turn so soon after the first is no accident. To
// yield and find out costs one more of them, so the waits of the next kCrowdedFor do not try: some
// 8 % of the time is lost to trying, not all of it. They look for a while and then sleep.
constexpr std::uint64_t kSecondTurnWithin = 50'000'000;
constexpr std::uint64_t kCrowdedFor = 100'000'000;

// For how many stretches: about as long as it takes to fall asleep and be woken, so that a wait costs
// the neighbour at most twice what it would cost him by sleeping at once.
constexpr std::uint32_t kStretchesWhenCrowded = 10;

void yield_core() {
  ::sched_yield();  // never fails on Linux
}

}  // namespace

const WaitCalls kRealWaitCalls = {monotonic_ns, yield_core};

AdaptiveWait::Advice AdaptiveWait::ask_kernel() {
  if (sleep_) return Advice::kSleep;
  // When shared, one yield follows the other: the end of the last is the beginning of this one.
  if (clock_ == 0 || !shared_) clock_ = calls_->now();
  const std::uint64_t before = clock_;
  if (before < crowded_until_) return look_in_a_crowd();
  if (!shared_) end_stretch(before);
  calls_->yield();
  clock_ = calls_->now();
  const std::uint64_t yield = clock_ - before;
  charge(std::min(yield, longest_alone()));
  learn(yield);
  stretch_began_ = clock_;
  if (yield >= kLongTurn) note_long_turn();
  sleep_ = left_ == 0 || yield >= kLongTurn;
  looks_left_ = shared_ || sleep_ ? 0 : looks_per_stretch_;
  return sleep_ ? Advice::kSleep : Advice::kLook;
}

AdaptiveWait::Advice AdaptiveWait::look_in_a_crowd() {
  sleep_ = looked_;
  looked_ = true;
  if (sleep_) return Advice::kSleep;
  looks_left_ = kStretchesWhenCrowded * looks_per_stretch_;
  return Advice::kLook;
}

void AdaptiveWait::note_long_turn() {
  if (last_long_turn_ != 0 && clock_ - last_long_turn_ < kSecondTurnWithin) {
    crowded_until_ = clock_ + kCrowdedFor;
  }
  last_long_turn_ = clock_;
}

void AdaptiveWait::end_stretch(std::uint64_t now) {
  if (stretch_began_ == 0) {
    charge(kStretch);
    return;
  }
  const std::uint64_t stretch = now - stretch_began_;
  charge(std::min(stretch, kLongestStretch));
  if (stretch > 2 * kStretch) {
    looks_per_stretch_ = std::max(looks_per_stretch_ / 2, 1u);
  } else if (stretch < kStretch / 2) {
    looks_per_stretch_ = std::min(looks_per_stretch_ * 2, kMostLooks);
  }
}

void AdaptiveWait::learn(std::uint64_t yield) {
  if (yield > longest_alone()) {
    shared_ = true;
    fast_yields_ = 0;
    return;
  }
  fastest_yield_ = std::min(fastest_yield_, yield);
  if (shared_ && ++fast_yields_ >= kFastYieldsWhenAlone) shared_ = false;
}

}  // namespace vmmc::platform
