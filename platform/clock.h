// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The time, in ns, without a system call where the machine's clock allows that. Threads: any; async-signal-safe.
#pragma once

#include <time.h>

#include <cstdint>

namespace vmmc::platform {

inline std::uint64_t ns_of(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

inline std::uint64_t monotonic_ns() { return ns_of(CLOCK_MONOTONIC); }
inline std::uint64_t ns_since_1970() { return ns_of(CLOCK_REALTIME); }

}  // namespace vmmc::platform
