// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/notifications/notification_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "vmmc/internal/notifications/testing/fake_nicsim.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

using Verdict = NotificationQueue::Verdict;
constexpr std::uint64_t kNothing = UINT64_MAX;

struct Rig {
  FakeNicsim nicsim;
  NotificationQueue queue{nicsim.channel(), nicsim.doorbell()};

  // The immediate of the oldest one with this cookie, or of any with cookie 0.
  std::uint64_t take(std::uint64_t cookie = 0, std::uint64_t end = UINT64_MAX) {
    wire::Notification taken{};
    const bool found = queue.take(
        end,
        [=](std::uint64_t queued) {
          return cookie == 0 || cookie == queued ? Verdict::kTake : Verdict::kLeave;
        },
        taken);
    return found ? taken.immediate : kNothing;
  }
  void drop(std::uint64_t cookie) {
    wire::Notification taken{};
    CHECK_FALSE(queue.take(
        UINT64_MAX,
        [=](std::uint64_t queued) { return cookie == queued ? Verdict::kDrop : Verdict::kLeave; },
        taken));
  }
  bool has(std::uint64_t cookie) const {
    return queue.any([=](std::uint64_t queued) { return queued == cookie; });
  }
};

}  // namespace

TEST_CASE("oldest first, whole, and the room is given back") {
  Rig rig;
  CHECK_FALSE(rig.queue.pending());
  CHECK(rig.take() == kNothing);
  rig.nicsim.produce(5, 100);
  rig.nicsim.produce(6, 101);
  CHECK(rig.queue.pending());
  wire::Notification taken{};
  REQUIRE(rig.queue.take(
      UINT64_MAX, [](std::uint64_t) { return Verdict::kTake; }, taken));
  const wire::Notification made = FakeNicsim::make(5, 100);
  CHECK(std::memcmp(&taken, &made, sizeof taken) == 0);
  CHECK(rig.nicsim.consumed() == 1);
  CHECK(rig.take() == 101);
  CHECK(rig.take() == kNothing);
  CHECK(rig.nicsim.consumed() == 2);
  CHECK_FALSE(rig.queue.pending());
}

TEST_CASE("what is taken or dropped in the middle is gone, and its room comes back later") {
  Rig rig;
  for (std::uint32_t i = 0; i < 6; ++i) rig.nicsim.produce(1 + i % 3, i);
  CHECK(rig.take(2) == 1);
  CHECK(rig.nicsim.consumed() == 0);
  rig.drop(3);
  CHECK_FALSE(rig.has(3));
  CHECK(rig.has(2));
  CHECK(rig.take(1) == 0);
  CHECK(rig.nicsim.consumed() == 3);
  CHECK(rig.take(2) == 4);
  CHECK(rig.take(2) == kNothing);
  CHECK(rig.take() == 3);
  CHECK(rig.nicsim.consumed() == 6);
}

TEST_CASE("nothing from a number on is taken") {
  Rig rig;
  for (std::uint32_t i = 0; i < 3; ++i) rig.nicsim.produce(1, i);
  CHECK(rig.take(0, 2) == 0);
  CHECK(rig.take(0, 2) == 1);
  CHECK(rig.take(0, 2) == kNothing);
  CHECK(rig.take(0, 1) == kNothing);
  CHECK(rig.take() == 2);
}

TEST_CASE("a random mixture equals a list") {
  const std::uint32_t seed = choose_seed();
  MESSAGE("VMMC_SEED=" << seed);
  std::mt19937 random(seed);
  Rig rig;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> model;
  std::uint32_t next = 0;
  std::uint64_t wrong = 0;
  for (int round = 0; round < 200'000; ++round) {
    const std::uint64_t cookie = 1 + random() % 4;
    if (random() % 2 == 0) {
      if (rig.nicsim.try_produce(FakeNicsim::make(cookie, next))) model.push_back({cookie, next});
      ++next;
      continue;
    }
    const auto found = std::find_if(model.begin(), model.end(),
                                    [=](const auto& queued) { return queued.first == cookie; });
    if (rig.has(cookie) != (found != model.end())) ++wrong;
    const std::uint64_t expected = found == model.end() ? kNothing : found->second;
    if (random() % 50 == 0) {
      rig.drop(cookie);
      std::erase_if(model, [=](const auto& queued) { return queued.first == cookie; });
      continue;
    }
    if (rig.take(cookie) != expected) ++wrong;
    if (found != model.end()) model.erase(found);
  }
  CHECK(wrong == 0);
  while (!model.empty()) {
    REQUIRE(rig.take() == model.front().second);
    model.erase(model.begin());
  }
  CHECK(rig.nicsim.consumed() == rig.queue.produced());
}

TEST_CASE("a number that no nicsim would write reads as an empty queue") {
  Rig rig;
  rig.nicsim.produce(1, 1);
  CHECK(rig.take() == 1);
  for (const std::uint64_t produced :
       {std::uint64_t{0}, std::uint64_t{1} + wire::kNotificationSlots + 1, UINT64_MAX}) {
    rig.nicsim.channel().notification_status.produced = produced;
    CHECK(rig.take() == kNothing);
    CHECK_FALSE(rig.has(1));
  }
  // Nor is what stands in `consumed` believed.
  rig.nicsim.channel().notification_status.produced = 2;
  rig.nicsim.channel().notification_demand.consumed = 77;
  CHECK(rig.take() != kNothing);
  CHECK(rig.nicsim.consumed() == 2);
}

TEST_CASE("nicsim waits for room and loses no wake-up") {
  const Watchdog watchdog;
  constexpr std::uint32_t kCount = 300'000;
  const std::uint32_t seed = choose_seed();
  MESSAGE("VMMC_SEED=" << seed);
  Rig rig;
  std::thread nicsim([&] {
    for (std::uint32_t i = 0; i < kCount; ++i) rig.nicsim.produce(1, i);
  });
  std::mt19937 random(seed);
  std::uint64_t wrong = 0;
  for (std::uint32_t expected = 0; expected < kCount;) {
    const std::uint64_t taken = rig.take();
    if (taken == kNothing) {
      std::this_thread::yield();
      continue;
    }
    if (taken != expected++) ++wrong;
    if (random() % 20'000 == 0) ::usleep(2000);
  }
  nicsim.join();
  CHECK(wrong == 0);
  CHECK(rig.nicsim.sleeps() > 0);
}

TEST_CASE("one byte for one arming") {
  Rig rig;
  rig.nicsim.produce(1, 0);
  CHECK(rig.nicsim.bytes() == 0);
  rig.queue.arm();
  rig.nicsim.produce(1, 1);
  rig.nicsim.produce(1, 2);
  CHECK(rig.nicsim.bytes() == 1);
}
