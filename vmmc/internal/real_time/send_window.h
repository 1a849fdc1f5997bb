// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The budget of a sender: of any `messages` + 1 sends in a row the last is more than a period after
// the first. Exactly so, by a ring of the last `messages` send times, in memory of its user's.
//
// Threads: one. Times are ns of one clock that never goes back, and never 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vmmc::internal {

class SendWindow {
 public:
  // `times`: one for each message of a period, all 0.
  SendWindow(std::span<std::uint64_t> times, std::uint64_t period)
      : times_(times), period_(period) {}

  bool admits(std::uint64_t now) const {
    const std::uint64_t oldest = times_[next_];
    return oldest == 0 || now - oldest > period_;
  }
  // A send at `now`, which has been admitted.
  void note(std::uint64_t now) {
    times_[next_] = now;
    if (++next_ == times_.size()) next_ = 0;
  }
  // ns from now until the next send is admitted.
  std::uint64_t wait(std::uint64_t now) const {
    return admits(now) ? 0 : times_[next_] + period_ + 1 - now;
  }

 private:
  const std::span<std::uint64_t> times_;
  const std::uint64_t period_;
  std::size_t next_ = 0;  // the oldest
};

}  // namespace vmmc::internal
