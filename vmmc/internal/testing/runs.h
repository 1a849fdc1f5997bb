// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How long a test may hang, how long it runs, and what its random numbers come from.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <random>

namespace vmmc::internal::testing {

// Aborts the process if a test hangs, so that the test framework says which. Uses the real-time
// interval timer.
struct Watchdog {
  explicit Watchdog(unsigned seconds = soak() ? 3000 : 50) {
    ::signal(SIGALRM, [](int) { std::abort(); });
    ::alarm(seconds);
  }
  ~Watchdog() { ::alarm(0); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  static bool soak() { return std::getenv("VMMC_SOAK") != nullptr; }
};

// `usual` rounds every day, many more in a soak run ($VMMC_SOAK).
inline std::uint64_t rounds(std::uint64_t usual) { return Watchdog::soak() ? 200 * usual : usual; }

// A new one each time; $VMMC_SEED repeats a run.
inline std::uint32_t choose_seed() {
  const char* wanted = std::getenv("VMMC_SEED");
  if (wanted != nullptr) return static_cast<std::uint32_t>(std::strtoul(wanted, nullptr, 10));
  return std::random_device()();
}

}  // namespace vmmc::internal::testing
