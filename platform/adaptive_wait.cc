// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/adaptive_wait.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

namespace vmmc::platform {
namespace {

#ifndef STRETCH
#define STRETCH 1000
#endif
#ifndef FASTN
#define FASTN 3
#endif
constexpr std::uint64_t kStretch = STRETCH;
constexpr std::uint64_t kLongestStretch = 8 * kStretch;
constexpr std::uint32_t kMostLooks = 4096;
constexpr std::uint32_t kFastYieldsWhenAlone = FASTN;
#ifndef LONGTURN
#define LONGTURN 500000
#endif
constexpr std::uint64_t kCrowdedFor = 100'000'000;
constexpr std::uint64_t kLongTurn = LONGTURN;

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
