// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/notifications/delivery_gate.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <random>
#include <thread>
#include <vector>

#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;

namespace {

using Entry = DeliveryGate::Entry;

Entry enter(DeliveryGate& gate) { return gate.try_enter(DeliveryGate::this_thread()); }

}  // namespace

TEST_CASE("blocks are counted, and zero stays zero") {
  DeliveryGate gate;
  CHECK(gate.unblock().result > 0);
  gate.block();
  gate.block();
  CHECK(enter(gate) == Entry::kBlocked);
  CHECK(gate.unblock().result == 0);
  CHECK(enter(gate) == Entry::kBlocked);
  const auto last = gate.unblock();
  CHECK(last.result > 0);
  CHECK(last.wanted);
  CHECK_FALSE(gate.unblock().wanted);
  CHECK(gate.unblock().result > 0);
  CHECK(enter(gate) == Entry::kEntered);
  CHECK_FALSE(gate.leave());
}

TEST_CASE("in a handler its own block cannot be undone, others can") {
  DeliveryGate gate;
  CHECK_FALSE(gate.running_here());
  REQUIRE(enter(gate) == Entry::kEntered);
  CHECK(gate.running_here());
  CHECK(enter(gate) == Entry::kBusy);
  CHECK(gate.unblock().result == VMMC_ERR_IN_HANDLER);
  gate.block();
  CHECK(gate.unblock().result == 0);
  CHECK(gate.unblock().result == VMMC_ERR_IN_HANDLER);
  std::thread([&] {
    CHECK_FALSE(gate.running_here());
    CHECK(gate.unblock().result > 0);
  }).join();
  CHECK(gate.leave());
  CHECK_FALSE(gate.running_here());
  CHECK(gate.unblock().result > 0);
}

TEST_CASE("a handler that blocks more often than it unblocks leaves the process blocked") {
  DeliveryGate gate;
  REQUIRE(enter(gate) == Entry::kEntered);
  gate.block();
  gate.block();
  CHECK(gate.unblock().result == 0);
  CHECK(enter(gate) == Entry::kBlocked);
  CHECK_FALSE(gate.leave());  // not free
  const auto unblocked = gate.unblock();
  CHECK(unblocked.result > 0);
  CHECK(unblocked.wanted);
}

TEST_CASE("block from another thread waits for the end of the handler") {
  const Watchdog watchdog;
  DeliveryGate gate;
  int guarded = 0;  // plain: the thread sanitizer sees whether the gate orders it
  REQUIRE(enter(gate) == Entry::kEntered);
  std::atomic<bool> calling{false};
  std::thread other([&] {
    calling = true;
    errno = EDOM;
    gate.block();
    CHECK(errno == EDOM);
    CHECK(guarded == 1);
    guarded = 2;
    CHECK(gate.unblock().result > 0);
  });
  while (!calling) std::this_thread::yield();
  ::usleep(20'000);
  guarded = 1;
  gate.leave();
  other.join();
  CHECK(guarded == 2);
}

namespace {

// A queue of one number: how many notifications are left, as the threads' test sees it.
struct Crowd {
  DeliveryGate gate;
  std::atomic<std::int64_t> queued{0};
  std::int64_t delivered = 0;  // plain, under the gate
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<int> inside{0};

  void deliver() {
    const auto me = DeliveryGate::this_thread();
    for (bool again = true; again;) {
      if (gate.try_enter(me) != Entry::kEntered) return;
      const bool ran = queued.load() > 0;
      if (ran) run();
      again = gate.leave() || ran;
    }
  }
  void run() {
    --queued;
    if (inside.fetch_add(1) != 0) ++wrong;
    ++delivered;
    inside.fetch_sub(1);
  }
  void block_and_look() {
    gate.block();
    const std::int64_t before = delivered;
    if (inside.load() != 0) ++wrong;
    std::this_thread::yield();
    if (delivered != before) ++wrong;
    const auto unblocked = gate.unblock();
    if (unblocked.result < 0) ++wrong;
    if (unblocked.wanted) deliver();
  }
};

}  // namespace

TEST_CASE("threads that deliver and block: one at a time, none while blocked, none left behind") {
  const Watchdog watchdog;
  const std::uint32_t seed = choose_seed();
  MESSAGE("VMMC_SEED=" << seed);
  const std::uint64_t kRounds = rounds(20'000);
  Crowd crowd;
  std::vector<std::thread> threads;
  std::atomic<std::int64_t> arrived{0};
  for (std::uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      std::mt19937 random(seed + i);
      for (std::uint64_t round = 0; round < kRounds; ++round) {
        if (random() % 4 == 0) {
          crowd.block_and_look();
          continue;
        }
        ++arrived;
        ++crowd.queued;
        crowd.deliver();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(crowd.wrong == 0);
  CHECK(crowd.queued == 0);
  CHECK(crowd.delivered == arrived);
}
