// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The loop while the pace holds it: it uses no CPU, and serves control messages and doorbells.

#include <doctest/doctest.h>
#include <time.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "nicsim/testing/loop_fixture.h"

using namespace vmmc;
using namespace std::chrono_literals;
using nicsim::testing::FakeClient;
using nicsim::testing::LoopFixture;

namespace {

struct PacedFixture : LoopFixture {
  std::unique_ptr<FakeClient> receiver = client(0);
  std::unique_ptr<FakeClient> first = client(1);
  std::unique_ptr<FakeClient> second = client(2);
  wire::ImportReply to_first = connect(*receiver, *first, 1, 0, wire::kPageSize);
  wire::ImportReply to_second = connect(*receiver, *second, 2, wire::kPageSize, wire::kPageSize);

  nicsim::Pace& pace() { return machine.instruments().pace; }
  void post_words(FakeClient& sender, const wire::ImportReply& import, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t word = i + 1;
      sender.post(import, 0, std::as_bytes(std::span(&word, 1)));
    }
    ring_if_asked(sender);
  }
  // CPU time of the loop's thread.
  std::chrono::nanoseconds cpu_time() {
    return inside([] {
      timespec used{};
      ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
      return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
    });
  }
};

}  // namespace

TEST_CASE_FIXTURE(PacedFixture, "paused: nothing moves, and a step lets one packet pass") {
  inside([&] { pace().pause(); });
  post_words(*first, to_first, 3);
  const auto used = cpu_time();
  std::this_thread::sleep_for(300ms);
  CHECK(cpu_time() - used < 100ms);
  CHECK(completed(*first) == 0);
  for (std::uint64_t steps = 1; steps <= 2; ++steps) {
    inside([&] { pace().step(); });
    await([&] { return completed(*first) == steps; });
    std::this_thread::sleep_for(5ms);
    CHECK(completed(*first) == steps);
  }
  SUBCASE("full speed does the rest") {
    inside([&] { pace().full(); });
    await([&] { return completed(*first) == 3; });
  }
  SUBCASE("somebody rings meanwhile, and somebody leaves") {
    post_words(*second, to_second, 1);
    leave(*first);
    CHECK(completed(*second) == 0);
    inside([&] { pace().step(); });
    await([&] { return completed(*second) == 1; });
  }
}

TEST_CASE_FIXTURE(PacedFixture, "slow: each queue gets its turn") {
  constexpr std::uint64_t kWords = 20;
  inside([&] { pace().pause(); });
  post_words(*first, to_first, kWords);
  post_words(*second, to_second, kWords);
  const auto begun = std::chrono::steady_clock::now();
  inside([&] { pace().slow(1ms, 1); });
  const auto least = [&] { return std::min(completed(*first), completed(*second)); };
  await([&] { return completed(*first) + completed(*second) >= kWords; });
  CHECK(least() >= kWords / 4);
  await([&] { return least() == kWords; });
  CHECK(std::chrono::steady_clock::now() - begun >= (2 * kWords - 1) * 1ms);
}

TEST_CASE_FIXTURE(PacedFixture,
                  "a queue that is held in the middle of a transfer is not forgotten") {
  const auto import = connect(*receiver, *first, 3, 2 * wire::kPageSize, 2 * wire::kPageSize);
  inside([&] { pace().pause(); });
  first->post(import, 0, wire::LocalPlace::kSegment, first->local(2 * wire::kPageSize, 0));
  ring_if_asked(*first);
  inside([&] { pace().step(); });
  const auto half = [&] { return receiver->channel().counters.bytes_received.load(); };
  await([&] { return half() == wire::kPageSize; });
  CHECK_FALSE(inside([&] { return machine.unexport(*receiver->process, {{}, 3, 0}); }).has_value());
  // The descriptor has been taken; a client that writes over it changes nothing.
  first->channel().send_queue[0].header.store(0);
  for (int i = 0; i < 3; ++i) inside([] {});
  inside([&] { pace().full(); });
  await([&] { return completed(*first) == 1; });
  await([&] { return inside([&] { return late_unexports.size() == 1; }); });
}

TEST_CASE_FIXTURE(PacedFixture, "full speed ends a delay") {
  inside([&] {
    CHECK(machine.instruments().faults.add(
        {.action = nicsim::FaultPlan::Action::kDelay, .delay = UINT64_MAX}));
  });
  post_words(*first, to_first, 2);
  await([&] { return inside([&] { return machine.instruments().faults.empty(); }); });
  post_words(*second, to_second, 1);
  std::this_thread::sleep_for(5ms);
  CHECK(completed(*first) == 0);
  CHECK(completed(*second) == 0);  // everybody waits
  inside([&] { pace().full(); });
  await([&] { return completed(*first) == 2 && completed(*second) == 1; });
}

TEST_CASE_FIXTURE(PacedFixture, "control messages are served at once while it is slow") {
  inside([&] { pace().slow(1h, 1); });
  post_words(*first, to_first, 2);
  await([&] { return completed(*first) == 1; });
  const auto used = cpu_time();  // asked and answered
  std::this_thread::sleep_for(200ms);
  CHECK(cpu_time() - used < 100ms);
  CHECK(completed(*first) == 1);
  inside([&] { pace().full(); });
  await([&] { return completed(*first) == 2; });
}

TEST_CASE_FIXTURE(PacedFixture, "a delayed packet arrives without anybody's help") {
  inside([&] {
    CHECK(machine.instruments().faults.add(
        {.action = nicsim::FaultPlan::Action::kDelay, .delay = 30'000'000}));
  });
  const auto begun = std::chrono::steady_clock::now();
  post_words(*first, to_first, 1);
  await([&] { return completed(*first) == 1; });
  CHECK(std::chrono::steady_clock::now() - begun >= 30ms);
  post_words(*first, to_first, 1);
  await([&] { return completed(*first) == 2; });
  CHECK(inside([&] { return pace().is_full(); }));
}
