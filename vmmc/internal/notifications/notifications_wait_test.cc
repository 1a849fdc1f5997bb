// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Threads that wait for notifications, with each way of delivery.

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "vmmc/internal/notifications/testing/notification_rig.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;

namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr vmmc_delivery kDeliveries[] = {VMMC_DELIVER_BY_THREAD, VMMC_DELIVER_BY_SIGNAL,
                                         VMMC_DELIVER_BY_DISPATCH};

// Runs what is queued, where that is not done by itself.
void dispatch(NotificationRig& rig, vmmc_delivery delivery) {
  if (delivery == VMMC_DELIVER_BY_DISPATCH) rig.notifications.dispatch(0);
}

int wait(NotificationRig& rig, std::uint64_t cookie, std::uint64_t timeout,
         std::uint32_t* immediate = nullptr) {
  vmmc_notification got{};
  const int status = rig.notifications.wait(cookie, timeout, &got);
  if (immediate != nullptr) *immediate = got.immediate;
  return status;
}

}  // namespace

TEST_CASE("a wait takes what is queued, oldest first, also while notifications are blocked") {
  const Watchdog watchdog;
  for (const vmmc_delivery delivery : kDeliveries) {
    NotificationRig rig(delivery);
    Recorder first(1);
    Recorder second(2);
    const std::uint64_t one = rig.add(first);
    const std::uint64_t two = rig.add(second);
    rig.notifications.block();
    for (std::uint32_t i = 0; i < 6; ++i) rig.nicsim.produce(i % 2 == 0 ? one : two, i);
    vmmc_notification got{};
    REQUIRE(rig.notifications.wait(two, VMMC_FOREVER, &got) == VMMC_OK);
    CHECK(got.immediate == 1);
    CHECK(got.buffer == &second);
    CHECK(got.buffer_id == 2);
    CHECK(got.offset == 4);
    CHECK(got.length == 2);
    CHECK(got.sender.node == 1);
    REQUIRE(rig.notifications.wait(two, 0, nullptr) == VMMC_OK);
    std::uint32_t immediate = 0;
    REQUIRE(wait(rig, two, 0, &immediate) == VMMC_OK);
    CHECK(immediate == 5);
    CHECK(wait(rig, two, 0) == VMMC_ERR_TIMEOUT);
    CHECK(first.calls() == 0);
    CHECK(rig.notifications.unblock() > 0);
    dispatch(rig, delivery);
    wait_for([&] { return first.calls() == 3; });
    CHECK(first.seen(0) == 0);
    CHECK(first.seen(2) == 4);
    CHECK(second.calls() == 0);
    CHECK(rig.nicsim.consumed() == 6);
  }
}

TEST_CASE("what comes for vmmc_no_action stays queued until it is waited for") {
  const Watchdog watchdog;
  for (const vmmc_delivery delivery : kDeliveries) {
    NotificationRig rig(delivery);
    Recorder recorder(1);
    const std::uint64_t handled = rig.add(recorder);
    std::uint64_t waited = 0;
    REQUIRE(rig.notifications.add_handler({vmmc_no_action, nullptr, nullptr, 2}, &waited) ==
            VMMC_OK);
    for (std::uint32_t i = 0; i < 20; ++i) rig.nicsim.produce(i % 2 == 0 ? waited : handled, i);
    dispatch(rig, delivery);
    wait_for([&] { return recorder.calls() == 10; });
    for (std::uint32_t i = 0; i < 10; ++i) {
      std::uint32_t immediate = 0;
      CHECK(wait(rig, waited, 0, &immediate) == VMMC_OK);
      CHECK(immediate == 2 * i);
    }
    CHECK(rig.nicsim.consumed() == 20);
    if (delivery == VMMC_DELIVER_BY_DISPATCH) CHECK(rig.notifications.dispatch(0) == 0);
  }
}

TEST_CASE("a wait ends at its time, not before, and the next notification goes to the handler") {
  const Watchdog watchdog;
  for (const vmmc_delivery delivery : kDeliveries) {
    NotificationRig rig(delivery);
    Recorder recorder(1);
    const std::uint64_t cookie = rig.add(recorder);
    const auto start = std::chrono::steady_clock::now();
    CHECK(wait(rig, cookie, 30 * kMillisecond) == VMMC_ERR_TIMEOUT);
    CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(30));
    rig.nicsim.produce(cookie, 9);
    wait_for([&] {
      dispatch(rig, delivery);
      return recorder.calls() == 1;
    });
  }
}

TEST_CASE("while a thread waits for a buffer its notifications are left to it, others are not") {
  const Watchdog watchdog;
  for (const vmmc_delivery delivery : kDeliveries) {
    NotificationRig rig(delivery);
    Recorder waited(1);
    Recorder other(2);
    const std::uint64_t cookie = rig.add(waited);
    const std::uint64_t other_cookie = rig.add(other);
    std::atomic<bool> stop{false};
    std::thread dispatcher([&] {
      while (!stop) {
        dispatch(rig, delivery);
        ::usleep(500);
      }
    });
    std::atomic<pid_t> task{0};
    std::vector<std::uint32_t> got;
    std::thread waiting([&] {
      task = ::gettid();
      std::uint32_t immediate = 0;
      REQUIRE(wait(rig, cookie, VMMC_FOREVER, &immediate) == VMMC_OK);
      got.push_back(immediate);
    });
    wait_for([&] { return task != 0 && is_asleep(task); });
    for (std::uint32_t i = 0; i < 5; ++i) rig.nicsim.produce(other_cookie, i);
    wait_for([&] { return other.calls() == 5; });
    rig.nicsim.produce(cookie, 50);
    waiting.join();
    CHECK(got == std::vector<std::uint32_t>{50});
    CHECK(waited.calls() == 0);
    rig.nicsim.produce(cookie, 51);
    wait_for([&] { return waited.calls() == 1; });
    stop = true;
    dispatcher.join();
  }
}

TEST_CASE("what a wait leaves behind goes to the handler without another event") {
  const Watchdog watchdog;
  for (const vmmc_delivery delivery : kDeliveries) {
    NotificationRig rig(delivery);
    Recorder recorder(1);
    const std::uint64_t cookie = rig.add(recorder);
    std::uint64_t produced = 0;
    for (std::uint64_t round = 1; round <= 300; ++round) {
      std::atomic<bool> over{false};
      std::thread waiting([&] {
        CHECK(wait(rig, cookie, VMMC_FOREVER) == VMMC_OK);
        over = true;
      });
      if (round % 2 == 0) ::usleep(200);
      for (int i = 0; i < 20; ++i, ++produced) rig.nicsim.produce(cookie);
      // The handler may have had them all before the wait began.
      for (; !over; ++produced) {
        rig.nicsim.produce(cookie);
        ::usleep(100);
      }
      waiting.join();
      wait_for([&] {
        dispatch(rig, delivery);
        return recorder.calls() == produced - round;
      });
    }
    CHECK(rig.nicsim.consumed() == produced);
  }
}

TEST_CASE("several threads wait for several buffers, and each notification is taken once") {
  const Watchdog watchdog;
  const std::uint32_t seed = choose_seed();
  MESSAGE("VMMC_SEED=" << seed);
  constexpr std::uint32_t kBuffers = 3;
  constexpr std::uint32_t kCount = 30'000;
  for (const vmmc_delivery delivery : kDeliveries) {
    NotificationRig rig(delivery);
    std::vector<std::unique_ptr<Recorder>> recorders;
    std::vector<std::uint64_t> cookies;
    for (std::uint32_t i = 0; i < kBuffers; ++i) {
      recorders.push_back(std::make_unique<Recorder>(i, kCount));
      cookies.push_back(rig.add(*recorders[i]));
    }
    std::atomic<std::uint64_t> taken{0};
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < 3; ++i) {
      threads.emplace_back([&, i] {
        std::mt19937 random(seed + i);
        while (!over) {
          const std::uint64_t timeout = random() % 2 * (random() % 2'000'000);
          if (wait(rig, cookies[random() % kBuffers], timeout) == VMMC_OK) ++taken;
          if (random() % 4 == 0) dispatch(rig, delivery);
          if (random() % 64 == 0) {
            rig.notifications.block();
            rig.notifications.unblock();
          }
        }
      });
    }
    std::thread nicsim([&] {
      std::mt19937 random(seed);
      for (std::uint32_t i = 0; i < kCount; ++i) {
        rig.nicsim.produce(cookies[random() % kBuffers], i);
        if (random() % 64 == 0) ::usleep(random() % 300);
      }
    });
    const auto handled = [&] {
      std::uint64_t calls = 0;
      for (const auto& recorder : recorders) calls += recorder->calls();
      return calls;
    };
    nicsim.join();
    wait_for([&] { return taken + handled() >= kCount; });
    over = true;
    for (std::thread& thread : threads) thread.join();
    MESSAGE("waits took " << taken.load() << ", handlers " << handled());
    CHECK(taken + handled() == kCount);
    CHECK(taken > 0);
    CHECK(handled() > 0);
    CHECK(rig.nicsim.consumed() == kCount);
    CHECK(Recorder::nested() == 0);
    CHECK(Recorder::wrong() == 0);
  }
}

TEST_CASE("waits are told when nicsim has gone, by the pipe or by the control connection") {
  const Watchdog watchdog;
  for (const vmmc_delivery delivery : kDeliveries) {
    for (const bool by_pipe : {true, false}) {
      NotificationRig rig(delivery);
      Recorder recorder(1);
      const std::uint64_t cookie = rig.add(recorder);
      std::vector<std::thread> threads;
      std::atomic<int> gone{0};
      for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
          if (wait(rig, cookie, VMMC_FOREVER) == VMMC_ERR_NICSIM_GONE) ++gone;
        });
      }
      ::usleep(5000);
      if (by_pipe) {
        rig.nicsim.hang_up();
      } else {
        rig.waiter.announce_end();
        rig.notifications.announce_end();
      }
      for (std::thread& thread : threads) thread.join();
      CHECK(gone == 3);
      CHECK(rig.waiter.nicsim_gone());
      CHECK(wait(rig, cookie, VMMC_FOREVER) == VMMC_ERR_NICSIM_GONE);
    }
  }
}

TEST_CASE("a wait ends when its buffer does") {
  const Watchdog watchdog;
  for (const vmmc_delivery delivery : kDeliveries) {
    NotificationRig rig(delivery);
    Recorder recorder(1);
    const std::uint64_t cookie = rig.add(recorder);
    std::atomic<pid_t> task{0};
    std::thread waiting([&] {
      task = ::gettid();
      CHECK(wait(rig, cookie, VMMC_FOREVER) == VMMC_ERR_UNKNOWN_EXPORT);
    });
    wait_for([&] { return task != 0 && is_asleep(task); });
    rig.notifications.remove_handler(cookie);
    waiting.join();
    CHECK(wait(rig, cookie, VMMC_FOREVER) == VMMC_ERR_UNKNOWN_EXPORT);
    // The slot's next user is not affected.
    const std::uint64_t next = rig.add(recorder);
    rig.nicsim.produce(next, 3);
    wait_for([&] {
      dispatch(rig, delivery);
      return recorder.calls() == 1;
    });
  }
}

TEST_CASE("a wait does not depend on a handler's end") {
  const Watchdog watchdog;
  static std::atomic<bool> inside;
  static std::atomic<bool> go;
  for (const vmmc_delivery delivery : kDeliveries) {
    inside = go = false;
    NotificationRig rig(delivery);
    Recorder slow(1);
    Recorder waited(2);
    slow.run_inside(
        [](void*, const vmmc_notification*) {
          inside = true;
          while (!go) ::usleep(100);
        },
        nullptr);
    const std::uint64_t slow_cookie = rig.add(slow);
    const std::uint64_t cookie = rig.add(waited);
    // The handler runs in a thread that does nothing else: not in this one, nor in one that waits.
    std::atomic<bool> stop{false};
    std::thread runs([&] {
      while (!stop) {
        dispatch(rig, delivery);
        ::usleep(500);
      }
    });
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    std::thread waiting([&] {
      CHECK(wait(rig, cookie, VMMC_FOREVER) == VMMC_OK);
      go = true;
    });
    rig.nicsim.produce(slow_cookie, 1);
    wait_for([] { return inside.load(); });
    ::usleep(5000);
    rig.nicsim.produce(cookie, 2);
    waiting.join();
    wait_for([&] { return slow.calls() == 1; });
    stop = true;
    runs.join();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
}
