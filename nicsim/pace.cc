// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/pace.h"

#include <algorithm>
#include <cmath>

namespace vmmc::nicsim {
namespace {

constexpr std::uint64_t kUnknown = UINT64_MAX;

// So that what it is added to does not go over its end.
constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(24 * 365);

std::chrono::nanoseconds within_bounds(std::chrono::nanoseconds time) {
  return std::clamp(time, std::chrono::nanoseconds(0), kLongest);
}

}  // namespace

// What the mode before had still to wait for counts no more.
void Pace::begin(Mode mode) {
  mode_ = mode;
  step_ = false;
  next_ = {};
  reached_ = waits_for_ = kUnknown;
  refresh();
}

void Pace::full() {
  held_until_ = {};
  begin(Mode::kFull);
}

void Pace::pause() { begin(Mode::kPaused); }

void Pace::slow(std::chrono::nanoseconds interval, double slowdown) {
  interval_ = within_bounds(interval);
  slowdown_ = slowdown;
  begin(Mode::kSlow);
}

void Pace::step() { step_ = mode_ == Mode::kPaused; }

void Pace::hold_until(Clock::time_point time) {
  held_until_ = std::max(held_until_, time);
  refresh();
}

void Pace::hold_for(std::chrono::nanoseconds time) {
  hold_until(Clock::now() + within_bounds(time));
}

void Pace::refresh() {
  full_ = mode_ == Mode::kFull && held_until_ <= Clock::now();
  if (attention_ != nullptr) attention_->want(Attention::Of::kPace, !full_);
}

bool Pace::may_pass() {
  if (Clock::now() < std::max(held_until_, next_)) return false;
  refresh();
  return mode_ != Mode::kPaused || step_;
}

void Pace::packet_passed() {
  step_ = false;
  if (mode_ == Mode::kSlow) next_ = Clock::now() + interval_;
}

bool Pace::may_reach(std::uint64_t simulated) {
  const Clock::time_point now = Clock::now();
  if (now < held_until_) return false;
  refresh();
  if (mode_ == Mode::kPaused) return step_;
  if (mode_ != Mode::kSlow) return true;
  if (simulated != waits_for_) {
    waits_for_ = simulated;
    const std::uint64_t distance = simulated - std::min(reached_, simulated);
    // A wait for ever is none that can be computed with.
    constexpr double kLongestNs = 1e15;
    const double wait_ns = std::min(static_cast<double>(distance) * slowdown_ / 1000, kLongestNs);
    next_ = now + std::chrono::nanoseconds(std::llround(wait_ns));
  }
  if (now < next_) return false;
  reached_ = simulated;
  waits_for_ = kUnknown;
  return true;
}

Pace::Clock::time_point Pace::ask_again() const {
  if (mode_ == Mode::kPaused && !step_) return Clock::time_point::max();
  return std::max(held_until_, next_);
}

}  // namespace vmmc::nicsim
