// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Deadlines on the monotonic clock, in ns. Async-signal-safe.
#pragma once

#include <time.h>

#include <cstdint>

namespace vmmc::internal {

inline std::uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

class Deadline {
 public:
  // UINT64_MAX: never. A sum past the end of the clock is never, too.
  explicit Deadline(std::uint64_t timeout) {
    if (timeout == UINT64_MAX) return;
    const std::uint64_t now = monotonic_ns();
    at_ = now + timeout < now ? UINT64_MAX : now + timeout;
  }

  bool never() const { return at_ == UINT64_MAX; }
  bool passed() const { return !never() && monotonic_ns() >= at_; }
  std::uint64_t remaining() const {
    if (never()) return UINT64_MAX;
    const std::uint64_t now = monotonic_ns();
    return now >= at_ ? 0 : at_ - now;
  }
  std::uint64_t at() const { return at_; }

 private:
  std::uint64_t at_ = UINT64_MAX;
};

}  // namespace vmmc::internal
