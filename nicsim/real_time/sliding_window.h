// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A budget's sliding period: at most so many events in any period. Allocates when it is made, and
// never again.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vmmc::nicsim::real_time {

class SlidingWindow {
 public:
  SlidingWindow(std::uint32_t messages, std::uint64_t period) : period_(period), times_(messages) {}

  // From when on one more is within the budget.
  std::uint64_t earliest() const { return count_ < times_.size() ? 0 : times_[next_] + period_; }
  bool admits(std::uint64_t time) const { return time >= earliest(); }
  // Not before earliest(): then each place's times are a period apart, so the order among them does
  // not matter.
  void add(std::uint64_t time) {
    times_[next_] = time;
    next_ = next_ + 1 == times_.size() ? 0 : next_ + 1;
    if (count_ < times_.size()) ++count_;
  }

  static std::uint64_t bytes(std::uint32_t messages) {
    return std::uint64_t{messages} * sizeof(std::uint64_t);
  }

 private:
  std::uint64_t period_;
  std::vector<std::uint64_t> times_;  // of the last ones
  std::size_t next_ = 0;              // the oldest, if there are so many
  std::size_t count_ = 0;
};

}  // namespace vmmc::nicsim::real_time
