// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/failure_log.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;

namespace {

std::int32_t status_of(std::uint64_t ticket) { return -1 - static_cast<std::int32_t>(ticket % 97); }

}  // namespace

TEST_CASE("a failure is found by its ticket, and nothing else is") {
  const auto log = std::make_unique<FailureLog>();
  CHECK(log->find(0) == 0);
  log->add(0, -61);
  log->add(7, -62);
  CHECK(log->find(0) == -61);
  CHECK(log->find(7) == -62);
  CHECK(log->find(1) == 0);
  CHECK(log->find(UINT64_MAX) == 0);
}

TEST_CASE("the last 1024 failures are kept, older ones read as no failure") {
  const auto log = std::make_unique<FailureLog>();
  constexpr std::uint64_t kAdded = 3 * FailureLog::kEntries + 5;
  for (std::uint64_t n = 0; n < kAdded; ++n) log->add(3 * n, status_of(3 * n));
  std::uint64_t wrong = 0;
  for (std::uint64_t n = 0; n < kAdded; ++n) {
    const bool kept = kAdded - n <= FailureLog::kEntries;
    if (log->find(3 * n) != (kept ? status_of(3 * n) : 0)) ++wrong;
    if (log->find(3 * n + 1) != 0) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("a reader that races with the writer finds the right status or none") {
  const Watchdog watchdog;
  const std::uint32_t seed = choose_seed();
  MESSAGE("seed " << seed);
  const auto log = std::make_unique<FailureLog>();
  std::atomic<std::uint64_t> added{0};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> readers;
  for (std::uint32_t i = 0; i < 2; ++i) {
    readers.emplace_back([&, i] {
      std::mt19937_64 random(seed + i);
      while (!over) {
        const std::uint64_t count = added;
        // Half of the time one that is about to be overwritten while we look.
        const std::uint64_t back = random() % 2 == 0 ? random() % (2 * FailureLog::kEntries)
                                                     : FailureLog::kEntries - random() % 600;
        if (back >= count) continue;
        const std::uint64_t ticket = count - 1 - back;
        const std::int32_t status = log->find(ticket);
        const bool kept = added - ticket <= FailureLog::kEntries - 2;  // surely not yet overwritten
        if (status != status_of(ticket) && (status != 0 || kept)) ++wrong;
      }
    });
  }
  const std::uint64_t last = rounds(100'000);
  for (std::uint64_t ticket = 0; ticket < last; ++ticket) {
    log->add(ticket, status_of(ticket));
    added = ticket + 1;
  }
  over = true;
  for (auto& reader : readers) reader.join();
  CHECK(wrong == 0);
}
