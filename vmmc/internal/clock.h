// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Deadlines on the monotonic clock, in ns, or in simulated time. Async-signal-safe.
#pragma once

#include <cstdint>

#include "platform/clock.h"
#include "vmmc/internal/simulated_time.h"

namespace vmmc::internal {

using platform::monotonic_ns;

// A timeout that counts from the first time that it is asked for: who finds what he waits for at once
// pays for no look at the clock.
class Deadline {
 public:
  // ns; UINT64_MAX: never.
  explicit Deadline(std::uint64_t timeout, SimulatedTime* time = nullptr)
      : timeout_(timeout), time_(time != nullptr && time->on() ? time : nullptr) {}

  bool never() const { return at_ == UINT64_MAX || timeout_ == UINT64_MAX; }

  // Whether it has passed at `now`, a reading of the monotonic clock.
  bool passed(std::uint64_t now) {
    if (never()) return false;
    start(now);
    return now >= at_;
  }
  bool passed() { return !never() && passed(now()); }

  // ns from now; UINT64_MAX: never.
  std::uint64_t remaining() {
    if (never()) return UINT64_MAX;
    const std::uint64_t time = now();
    return passed(time) ? 0 : at_ - time;
  }

 private:
  // A sum past the end of the clock is never, too.
  void start(std::uint64_t now) {
    if (at_ == 0) at_ = now + timeout_ < now ? UINT64_MAX : now + timeout_;
  }

  std::uint64_t now() const { return time_ == nullptr ? monotonic_ns() : time_->now() / 1000 + 1; }

  const std::uint64_t timeout_;
  SimulatedTime* const time_;
  std::uint64_t at_ = 0;  // 0: not started
};

}  // namespace vmmc::internal
