// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/adaptive_wait.h"

#include <doctest/doctest.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <initializer_list>

namespace vmmc::platform {
namespace {

using Advice = AdaptiveWait::Advice;

// A system in which time passes only when a test says so. Calls carry no context: one for all.
std::uint64_t clock_now = 0;
std::uint64_t yield_takes = 0;
unsigned yields = 0;

constexpr WaitCalls kFakeCalls = {[] { return clock_now; },
                                  [] {
                                    clock_now += yield_takes;
                                    ++yields;
                                  }};

// Nobody else is on the core; somebody is, for a while; somebody computes. In ns.
constexpr std::uint64_t kFastYield = 400;
constexpr std::uint64_t kSlowYield = 20'000;
constexpr std::uint64_t kLongTurn = 500'000;
constexpr std::uint64_t kSecondTurnWithin = 50'000'000;
constexpr std::uint64_t kCrowdedFor = 100'000'000;

constexpr std::uint64_t kNoLimit = UINT64_MAX;

struct System {
  System() {
    clock_now = 1'000'000;
    yields = 0;
  }
};

// One step that yields, if it does, for this long.
Advice step(AdaptiveWait& wait, std::uint64_t yield) {
  yield_takes = yield;
  return wait.step();
}

// Steps with looks of `look` ns between them, until `time` ns are over or sleep is advised.
Advice run(AdaptiveWait& wait, std::uint64_t time, std::uint64_t look, std::uint64_t yield) {
  const std::uint64_t end = clock_now + time;
  Advice advice = Advice::kLook;
  while (clock_now < end && advice == Advice::kLook) {
    clock_now += look;
    advice = step(wait, yield);
  }
  return advice;
}

// An object that has learned that it is alone, before its next wait.
AdaptiveWait wait_alone(std::uint64_t budget = kNoLimit) {
  AdaptiveWait wait(budget, &kFakeCalls);
  for (int i = 0; i < 3; ++i) REQUIRE(step(wait, kFastYield) == Advice::kLook);
  REQUIRE_FALSE(wait.shared());
  wait.reset();
  yields = 0;
  return wait;
}

TEST_CASE_FIXTURE(System, "unknown at first: asks the kernel at once") {
  AdaptiveWait wait(kNoLimit, &kFakeCalls);
  CHECK(wait.shared());
  CHECK(step(wait, kFastYield) == Advice::kLook);
  CHECK(yields == 1);
}

TEST_CASE_FIXTURE(System, "three fast yields in a row: alone; a slow one begins the row again") {
  AdaptiveWait wait(kNoLimit, &kFakeCalls);
  for (const std::uint64_t yield : {kFastYield, kFastYield, kSlowYield, kFastYield, kFastYield}) {
    step(wait, yield);
    REQUIRE(wait.shared());
  }
  step(wait, kFastYield);
  CHECK_FALSE(wait.shared());
}

TEST_CASE_FIXTURE(System, "shared: yields at every step") {
  AdaptiveWait wait(kNoLimit, &kFakeCalls);
  for (unsigned steps = 1; steps <= 100; ++steps) {
    REQUIRE(step(wait, kSlowYield) == Advice::kLook);
    REQUIRE(yields == steps);
    REQUIRE(wait.shared());
  }
}

TEST_CASE_FIXTURE(System, "alone: asks the kernel every microsecond or two") {
  AdaptiveWait wait = wait_alone();
  for (const std::uint64_t look : {5, 20, 60, 300}) {
    CAPTURE(look);
    run(wait, 1'000'000, look, kFastYield);  // it learns how long a look takes
    yields = 0;
    CHECK(run(wait, 1'000'000, look, kFastYield) == Advice::kLook);
    CHECK(yields > 1'000'000 / (2'000 + kFastYield + look));
    CHECK(yields < 1'000'000 / 500);
  }
}

TEST_CASE_FIXTURE(System, "alone, and each look takes long: still a look between two yields") {
  AdaptiveWait wait = wait_alone();
  run(wait, 10'000'000, 50'000, kFastYield);
  yields = 0;
  for (int i = 0; i < 20; ++i) run(wait, 1, 50'000, kFastYield);
  CHECK(yields == 10);
}

TEST_CASE_FIXTURE(System, "alone, and looks take no time: still asks now and then") {
  AdaptiveWait wait = wait_alone();
  for (int i = 0; i < 100'000; ++i) step(wait, kFastYield);
  yields = 0;
  for (int i = 0; i < 100'000; ++i) step(wait, kFastYield);
  CHECK(yields >= 100'000 / 5'000);
}

TEST_CASE_FIXTURE(System, "alone and one slow yield: shared") {
  AdaptiveWait wait = wait_alone();
  run(wait, 10'000, 20, kFastYield);
  REQUIRE_FALSE(wait.shared());
  run(wait, 10'000, 20, kSlowYield);
  CHECK(wait.shared());
}

TEST_CASE_FIXTURE(System, "the first yield is judged by what yields usually take") {
  AdaptiveWait fast(kNoLimit, &kFakeCalls);
  for (int i = 0; i < 3; ++i) step(fast, 1500);
  CHECK_FALSE(fast.shared());
  AdaptiveWait slow(kNoLimit, &kFakeCalls);
  for (int i = 0; i < 3; ++i) step(slow, 1501);
  CHECK(slow.shared());
}

TEST_CASE_FIXTURE(System, "later ones are slow beyond twice the fastest one seen") {
  AdaptiveWait wait(kNoLimit, &kFakeCalls);
  for (const std::uint64_t yield : {300, 601, 600, 600}) step(wait, yield);
  CHECK(wait.shared());
  step(wait, 600);
  CHECK_FALSE(wait.shared());
}

TEST_CASE_FIXTURE(System, "the next wait begins in the mode in which the one before ended") {
  AdaptiveWait wait = wait_alone();
  step(wait, kFastYield);
  CHECK(yields == 0);
  run(wait, 10'000, 20, kSlowYield);
  REQUIRE(wait.shared());
  wait.reset();
  yields = 0;
  step(wait, kSlowYield);
  CHECK(yields == 1);
}

TEST_CASE_FIXTURE(System, "a copy has learned what its original has") {
  const AdaptiveWait wait = wait_alone();
  AdaptiveWait copy = wait;
  step(copy, kFastYield);
  CHECK(yields == 0);
}

TEST_CASE_FIXTURE(System, "alone: sleep when the budget is used") {
  AdaptiveWait wait = wait_alone(50'000);
  const std::uint64_t began = clock_now;
  CHECK(run(wait, 1'000'000, 20, kFastYield) == Advice::kSleep);
  CHECK(clock_now - began > 50'000 - 2'000);
  CHECK(clock_now - began < 50'000 + 2'000 + kFastYield);
}

TEST_CASE_FIXTURE(System, "alone: the looks before the first yield are charged too") {
  AdaptiveWait wait = wait_alone(1'000 + kFastYield);
  CHECK(run(wait, 10'000, 20, kFastYield) == Advice::kSleep);
  CHECK(yields == 1);
}

TEST_CASE_FIXTURE(System, "each wait has the whole budget") {
  AdaptiveWait wait = wait_alone(50'000);
  for (int i = 0; i < 10; ++i) {
    CHECK(run(wait, 40'000, 20, kFastYield) == Advice::kLook);
    wait.reset();
  }
}

TEST_CASE_FIXTURE(System, "a budget for what comes at intervals") {
  CHECK(AdaptiveWait::budget_for(0) == AdaptiveWait::kDefaultBudget);
  CHECK(AdaptiveWait::budget_for(30'000) == 90'000);
  CHECK(AdaptiveWait::budget_for(90'000) == 200'000);
  CHECK(AdaptiveWait::budget_for(100'001) == AdaptiveWait::kDefaultBudget);
  CHECK(AdaptiveWait::budget_for(UINT64_MAX) == AdaptiveWait::kDefaultBudget);
}

TEST_CASE_FIXTURE(System, "shared: the time in which others ran is not charged") {
  // Of each slow yield, twice the fastest one seen is our own.
  AdaptiveWait wait(kFastYield + 10 * 2 * kFastYield, &kFakeCalls);
  step(wait, kFastYield);
  wait.reset();
  CHECK(step(wait, kFastYield) == Advice::kLook);
  for (int i = 1; i < 10; ++i) CHECK(step(wait, 100'000) == Advice::kLook);
  CHECK(step(wait, 100'000) == Advice::kSleep);
}

TEST_CASE_FIXTURE(System, "alone: the time for which we lost the core is not charged") {
  AdaptiveWait wait = wait_alone(50'000);
  run(wait, 10'000, 20, kFastYield);
  clock_now += 10'000'000;  // between two looks
  CHECK(run(wait, 20'000, 20, kFastYield) == Advice::kLook);
}

TEST_CASE_FIXTURE(System, "the advice to sleep is repeated, without yields, until reset") {
  AdaptiveWait wait(2 * kFastYield, &kFakeCalls);
  CHECK(step(wait, kFastYield) == Advice::kLook);
  CHECK(step(wait, kFastYield) == Advice::kSleep);
  for (int i = 0; i < 10; ++i) CHECK(step(wait, kFastYield) == Advice::kSleep);
  CHECK(yields == 2);
  wait.reset();
  CHECK(step(wait, kFastYield) == Advice::kLook);
}

TEST_CASE_FIXTURE(System, "a long turn of somebody else: sleep at once") {
  AdaptiveWait wait(kNoLimit, &kFakeCalls);
  CHECK(step(wait, kLongTurn - 1) == Advice::kLook);
  CHECK(step(wait, kLongTurn) == Advice::kSleep);
  CHECK(step(wait, kFastYield) == Advice::kSleep);
}

// Two long turns, the second one so long after the first; then the next wait begins.
AdaptiveWait wait_after_two_long_turns(std::uint64_t apart) {
  AdaptiveWait wait(kNoLimit, &kFakeCalls);
  step(wait, kLongTurn);
  wait.reset();
  clock_now += apart - kLongTurn;
  step(wait, kLongTurn);
  wait.reset();
  yields = 0;
  return wait;
}

TEST_CASE_FIXTURE(System, "one long turn may be an accident: the next wait tries again") {
  AdaptiveWait wait(kNoLimit, &kFakeCalls);
  step(wait, kLongTurn);
  wait.reset();
  CHECK(step(wait, kFastYield) == Advice::kLook);
}

TEST_CASE_FIXTURE(System,
                  "after two long turns the waits of the next 100 ms look a little and sleep") {
  AdaptiveWait wait = wait_after_two_long_turns(kSecondTurnWithin - 1);
  const std::uint64_t ended = clock_now;
  for (const std::uint64_t later : {std::uint64_t{0}, kCrowdedFor / 2, kCrowdedFor - 1'000}) {
    CAPTURE(later);
    wait.reset();
    clock_now = ended + later;
    unsigned looks = 0;
    while (step(wait, kFastYield) == Advice::kLook) REQUIRE(++looks <= 10'000);
    CHECK(looks >= 10);
  }
  CHECK(yields == 0);
  wait.reset();
  clock_now = ended + kCrowdedFor;
  CHECK(step(wait, kFastYield) == Advice::kLook);
  CHECK(yields == 1);
}

TEST_CASE_FIXTURE(System, "two long turns far apart are two accidents") {
  AdaptiveWait wait = wait_after_two_long_turns(kSecondTurnWithin);
  CHECK(step(wait, kFastYield) == Advice::kLook);
}

TEST_CASE_FIXTURE(System, "the clock is known after the first question to the kernel") {
  AdaptiveWait wait(kNoLimit, &kFakeCalls);
  CHECK(wait.clock() == 0);
  step(wait, kFastYield);
  CHECK(wait.clock() == clock_now);
  wait.reset();
  CHECK(wait.clock() == 0);
}

TEST_CASE("with the real calls: sleep is advised some time, and errno is left unchanged") {
  ::alarm(30);
  AdaptiveWait wait;
  errno = EDOM;
  for (int i = 0; i < 3; ++i) {
    wait.reset();
    while (wait.step() != Advice::kSleep) continue;
  }
  CHECK(errno == EDOM);
  ::alarm(0);
}

TEST_CASE("the real clock is monotonic and counts ns") {
  timespec before;
  ::clock_gettime(CLOCK_MONOTONIC, &before);
  const std::uint64_t now = kRealWaitCalls.now();
  timespec after;
  ::clock_gettime(CLOCK_MONOTONIC, &after);
  const auto ns = [](const timespec& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(time.tv_nsec);
  };
  CHECK(ns(before) <= now);
  CHECK(now <= ns(after));
}

}  // namespace
}  // namespace vmmc::platform
