// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/adaptive_wait.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

namespace vmmc::platform {
namespace {

// Time between two yields when alone, in ns: long enough that most of it is spent looking (a yield
// that finds nobody takes some 300 to 700), short enough that a newcomer to the core hardly waits.
constexpr std::uint64_t kStretch = 1000;

// A stretch is charged at most so much: what is beyond it was not ours, the core was taken away.
constexpr std::uint64_t kLongestStretch = 8 * kStretch;

// Looks in a stretch: a bound in case a look takes next to no time.
constexpr std::uint32_t kMostLooks = 4096;

// One fast yield proves nothing: with somebody else runnable the kernel may still prefer us.
constexpr std::uint32_t kFastYieldsWhenAlone = 3;

// A neighbour who runs for this long during one yield computes: those who wait, or answer messages,
// give the core back after some microseconds.
constexpr std::uint64_t kLongTurn = 500'000;

// Who computes goes on computing. To find out again costs a turn of it (milliseconds), so the waits
// of this time sleep at once: at most every tenth of a second is one turn lost.
constexpr std::uint64_t kCrowdedFor = 100'000'000;

std::uint64_t monotonic_now() {
  timespec time;
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

void yield_core() {
  ::sched_yield();  // never fails on Linux
}

}  // namespace

const WaitCalls kRealWaitCalls = {monotonic_now, yield_core};

AdaptiveWait::Advice AdaptiveWait::ask_kernel() {
  if (sleep_) return Advice::kSleep;
  const std::uint64_t before = calls_->now();
  if (before < crowded_until_) {
    sleep_ = true;
    return Advice::kSleep;
  }
  if (!shared_) end_stretch(before);
  calls_->yield();
  const std::uint64_t after = calls_->now();
  const std::uint64_t yield = after - before;
  charge(std::min(yield, longest_alone()));
  learn(yield);
  stretch_began_ = after;
  if (yield >= kLongTurn) crowded_until_ = after + kCrowdedFor;
  sleep_ = left_ == 0 || yield >= kLongTurn;
  looks_left_ = shared_ || sleep_ ? 0 : looks_per_stretch_;
  return sleep_ ? Advice::kSleep : Advice::kLook;
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
