// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/owned_spin_lock.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "vmmc/internal/testing/runs.h"
#include "vmmc/internal/testing/signal_storm.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;

TEST_CASE("the owner is told that it is the owner, before and after others were") {
  OwnedSpinLock lock;
  for (int round = 0; round < 3; ++round) {
    REQUIRE(lock.lock());
    CHECK_FALSE(lock.lock());
    CHECK_FALSE(lock.lock());
    lock.unlock();
    std::thread([&] {
      CHECK(lock.lock());
      CHECK_FALSE(lock.lock());
      lock.unlock();
    }).join();
  }
}

TEST_CASE("two locks of one thread do not know each other") {
  OwnedSpinLock first;
  OwnedSpinLock second;
  REQUIRE(first.lock());
  CHECK(second.lock());
  second.unlock();
  first.unlock();
}

TEST_CASE("another thread waits until the owner lets go") {
  const Watchdog watchdog;
  OwnedSpinLock lock;
  int guarded = 0;  // plain: the thread sanitizer sees whether the lock orders it
  REQUIRE(lock.lock());
  std::atomic<bool> waiting{false};
  std::thread other([&] {
    waiting = true;
    CHECK(lock.lock());
    CHECK(guarded == 1);
    lock.unlock();
  });
  while (!waiting) std::this_thread::yield();
  guarded = 1;
  lock.unlock();
  other.join();
}

namespace {

OwnedSpinLock contended;
std::uint64_t guarded_count = 0;             // under the lock
thread_local std::uint64_t* mine = nullptr;  // what this thread has added
thread_local volatile bool holding = false;
std::atomic<std::uint64_t> wrong{0};
std::atomic<std::uint64_t> refused{0};

// Volatile between lock and unlock: the handler of the same thread looks.
bool count_once() {
  if (!contended.lock()) return false;
  holding = true;
  ++guarded_count;
  ++*mine;
  holding = false;
  contended.unlock();
  return true;
}

void count_in_handler(int) {
  const bool interrupted_owner = holding;
  if (count_once()) {
    if (interrupted_owner) ++wrong;
  } else {
    ++refused;
  }
}

}  // namespace

TEST_CASE("threads and their signal handlers exclude each other, and no handler hangs") {
  const Watchdog watchdog;
  struct sigaction action {};
  action.sa_handler = count_in_handler;
  REQUIRE(::sigaction(SIGUSR1, &action, nullptr) == 0);
  for (const bool storm : {false, true}) {
    guarded_count = 0;
    const std::uint64_t most = rounds(100'000);
    std::vector<std::uint64_t> counts(3);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      threads.emplace_back([&, i] {
        std::uint64_t own = 0;
        mine = &own;
        {
          std::optional<SignalStorm> interruptions;
          if (storm) interruptions.emplace(SIGUSR1, 30'000);
          for (std::uint64_t n = 0; n < most; ++n) {
            if (!count_once()) ++wrong;
          }
        }
        counts[i] = own;
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(guarded_count == counts[0] + counts[1] + counts[2]);
    CHECK(guarded_count >= 3 * most);
    MESSAGE((guarded_count - 3 * most) << " times in handlers, refused " << refused);
  }
  CHECK(wrong == 0);
}
