// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/waiter.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <random>
#include <thread>
#include <vector>

#include "vmmc/internal/testing/local_nicsim.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

constexpr std::array<vmmc_wait_strategy, 5> kStrategies{
    VMMC_WAIT_ADAPTIVE, VMMC_WAIT_SPIN, VMMC_WAIT_PAUSE, VMMC_WAIT_YIELD, VMMC_WAIT_BLOCK};
constexpr std::uint64_t kMillisecond = 1'000'000;

// A waiter and nicsim's side of its channel.
struct Rig {
  LocalNicsim nicsim{
      [](std::uint64_t, const vmmc::nicsim::DescriptorCopy&) { return wire::Status::kOk; }};
  Waiter waiter{nicsim.channel()};
  std::array<std::atomic<std::uint32_t>, 4> words{};

  // As the engine: bytes, fence, wake.
  void move(int word, std::uint32_t value) {
    words[static_cast<std::size_t>(word)].store(value, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    nicsim.view().wake_if_armed();
  }
  auto sees(int word, std::uint32_t value) {
    return [this, word, value] {
      return words[static_cast<std::size_t>(word)].load(std::memory_order_acquire) >= value;
    };
  }
  bool armed() { return nicsim.channel().wake_request.armed != 0; }
  std::uint64_t wakeups() { return nicsim.channel().counters.wakeups; }
  void await_armed() {
    while (!armed()) std::this_thread::yield();
  }
};

}  // namespace

TEST_CASE("what holds already is found at once, also without time and without nicsim") {
  Rig rig;
  rig.move(0, 1);
  for (const auto strategy : kStrategies) {
    CHECK(rig.waiter.wait_until(rig.sees(0, 1), strategy, 0) == VMMC_OK);
  }
  rig.waiter.announce_end();
  CHECK(rig.waiter.wait_until(rig.sees(0, 1), VMMC_WAIT_BLOCK, VMMC_FOREVER) == VMMC_OK);
  CHECK_FALSE(rig.armed());
}

TEST_CASE("a wait ends at its timeout and not before, whatever the strategy") {
  const Watchdog watchdog;
  Rig rig;
  for (const auto strategy : kStrategies) {
    CAPTURE(strategy);
    CHECK(rig.waiter.wait_until(rig.sees(0, 1), strategy, 0) == VMMC_ERR_TIMEOUT);
    const std::uint64_t before = monotonic_ns();
    CHECK(rig.waiter.wait_until(rig.sees(0, 1), strategy, 3 * kMillisecond) == VMMC_ERR_TIMEOUT);
    CHECK(monotonic_ns() - before >= 3 * kMillisecond);
  }
}

TEST_CASE("a timeout past the end of the clock is none, and a long one does not end at once") {
  const Watchdog watchdog;
  Rig rig;
  constexpr std::uint64_t kYear = std::uint64_t{365} * 24 * 3600 * 1'000'000'000;
  for (const std::uint64_t timeout :
       {UINT64_MAX, UINT64_MAX - 1, std::uint64_t{1} << 63, std::uint64_t{INT64_MAX}, kYear}) {
    CAPTURE(timeout);
    Deadline deadline(timeout);
    CHECK_FALSE(deadline.passed());
    CHECK(deadline.remaining() > kYear / 2);
    CHECK(deadline.never() == (timeout >= UINT64_MAX - 1));
    std::thread waiter(
        [&] { CHECK(rig.waiter.wait_until(rig.sees(0, 1), VMMC_WAIT_BLOCK, timeout) == VMMC_OK); });
    rig.await_armed();
    rig.move(0, 1);
    waiter.join();
    rig.words[0] = 0;
  }
  Deadline none(0);
  CHECK(none.passed());
  CHECK(none.remaining() == 0);
}

TEST_CASE("a transfer ends the wait, whatever the strategy") {
  const Watchdog watchdog;
  for (const auto strategy : kStrategies) {
    CAPTURE(strategy);
    Rig rig;
    std::thread waiter(
        [&] { CHECK(rig.waiter.wait_until(rig.sees(0, 1), strategy, VMMC_FOREVER) == VMMC_OK); });
    if (strategy == VMMC_WAIT_BLOCK || strategy == VMMC_WAIT_ADAPTIVE) {
      rig.await_armed();
    } else {
      ::usleep(2000);
    }
    rig.move(0, 1);
    waiter.join();
    CHECK(rig.wakeups() <= 1);
  }
}

TEST_CASE("only a client that has armed is woken, and once") {
  const Watchdog watchdog;
  Rig rig;
  rig.move(0, 1);
  CHECK(rig.wakeups() == 0);
  std::thread waiter([&] {
    CHECK(rig.waiter.wait_until(rig.sees(0, 2), VMMC_WAIT_BLOCK, VMMC_FOREVER) == VMMC_OK);
  });
  rig.await_armed();
  rig.move(0, 2);
  rig.move(0, 3);
  waiter.join();
  CHECK(rig.wakeups() >= 1);
  CHECK(rig.wakeups() <= 2);  // two only if it armed again between the moves
}

TEST_CASE("what was written before the awaited word is visible after the wait") {
  const Watchdog watchdog;
  for (const auto strategy : kStrategies) {
    Rig rig;
    std::uint64_t plain = 0;
    std::thread waiter([&] {
      CHECK(rig.waiter.wait_until(rig.sees(0, 1), strategy, VMMC_FOREVER) == VMMC_OK);
      CHECK(plain == 4711);
    });
    plain = 4711;
    rig.move(0, 1);
    waiter.join();
  }
}

TEST_CASE("nicsim's end ends every wait, present and future") {
  const Watchdog watchdog;
  for (const auto strategy : kStrategies) {
    Rig rig;
    std::array<std::thread, 3> waiters;
    for (auto& waiter : waiters) {
      waiter = std::thread([&] {
        CHECK(rig.waiter.wait_until(rig.sees(0, 1), strategy, VMMC_FOREVER) ==
              VMMC_ERR_NICSIM_GONE);
      });
    }
    if (strategy == VMMC_WAIT_BLOCK) rig.await_armed();
    const std::uint32_t arrivals = rig.nicsim.channel().arrivals.count;
    rig.waiter.announce_end();
    CHECK(rig.nicsim.channel().arrivals.count != arrivals);  // for those about to sleep
    for (auto& waiter : waiters) waiter.join();
    CHECK(rig.waiter.nicsim_gone());
    CHECK(rig.waiter.wait_until(rig.sees(0, 1), strategy, VMMC_FOREVER) == VMMC_ERR_NICSIM_GONE);
  }
}

TEST_CASE("a sleeper leaves errno as it was") {
  const Watchdog watchdog;
  Rig rig;
  errno = 4711;
  CHECK(rig.waiter.wait_until(rig.sees(0, 1), VMMC_WAIT_BLOCK, kMillisecond) == VMMC_ERR_TIMEOUT);
  CHECK(errno == 4711);
}

namespace {

Rig* interrupted = nullptr;
std::atomic<int> handler_status{-1};

void wait_in_handler(int) {
  handler_status =
      interrupted->waiter.wait_until(interrupted->sees(1, 1), VMMC_WAIT_ADAPTIVE, VMMC_FOREVER);
}

}  // namespace

TEST_CASE("a handler that interrupted a wait may wait itself, and the wait goes on") {
  const Watchdog watchdog;
  struct sigaction action {};
  action.sa_handler = wait_in_handler;
  REQUIRE(::sigaction(SIGUSR1, &action, nullptr) == 0);
  for (const auto strategy : kStrategies) {
    CAPTURE(strategy);
    Rig rig;
    interrupted = &rig;
    handler_status = -1;
    std::atomic<bool> inside{false};
    std::atomic<int> status{-1};
    std::thread waiter([&] {
      const auto condition = [&] {
        inside = true;
        return rig.sees(0, 1)();
      };
      status = rig.waiter.wait_until(condition, strategy, VMMC_FOREVER);
    });
    while (!inside) std::this_thread::yield();
    ::pthread_kill(waiter.native_handle(), SIGUSR1);
    rig.await_armed();
    ::usleep(1000);
    CHECK(status == -1);
    rig.move(0, 1);  // the outer wait's word: the handler sleeps on
    ::usleep(1000);
    rig.move(1, 1);
    waiter.join();
    CHECK(handler_status == VMMC_OK);
    CHECK(status == VMMC_OK);
  }
}

TEST_CASE("threads that wait at random for words that change at random miss none") {
  const Watchdog watchdog;
  const std::uint32_t seed = choose_seed();
  MESSAGE("seed " << seed);
  Rig rig;
  const auto last = static_cast<std::uint32_t>(rounds(1000));
  std::array<std::atomic<std::uint32_t>, 3> reached{};
  std::vector<std::thread> waiters;
  for (std::uint32_t i = 0; i < reached.size(); ++i) {
    waiters.emplace_back([&, i] {
      std::mt19937 random(seed + i);
      for (std::uint32_t value = 1; value <= last; ++value) {
        const auto strategy = kStrategies[random() % kStrategies.size()];
        const auto condition = rig.sees(static_cast<int>(i), value);
        int status = VMMC_ERR_TIMEOUT;
        while (status == VMMC_ERR_TIMEOUT) {
          const std::uint64_t timeout = random() % 4 == 0 ? random() % 100'000 : VMMC_FOREVER;
          status = rig.waiter.wait_until(condition, strategy, timeout);
        }
        if (status != VMMC_OK) return;
        reached[i] = value;
      }
    });
  }
  std::mt19937 random(seed + 100);
  std::array<std::uint32_t, 3> sent{};
  while (sent[0] + sent[1] + sent[2] < 3 * last) {
    const std::uint32_t i = random() % 3;
    // One ahead at most, so that each value is waited for.
    if (sent[i] == last || reached[i] != sent[i]) continue;
    if (random() % 16 == 0) ::usleep(random() % 200);
    rig.move(static_cast<int>(i), ++sent[i]);
  }
  for (auto& waiter : waiters) waiter.join();
  for (const auto& value : reached) CHECK(value == last);
}
