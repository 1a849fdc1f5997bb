// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Delivery by the program's event loop.

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/epoll.h>

#include <random>
#include <thread>

#include "vmmc/internal/notifications/testing/notification_rig.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;

namespace {

bool readable(NotificationRig& rig, int timeout_ms = 0) {
  pollfd source{rig.notifications.descriptor(), POLLIN, 0};
  return ::poll(&source, 1, timeout_ms) == 1 && (source.revents & POLLIN) != 0;
}

}  // namespace

TEST_CASE("the descriptor is readable while there is something to dispatch") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_DISPATCH);
  CHECK(rig.notifications.descriptor() >= 0);  // before the first handler
  CHECK_FALSE(readable(rig));
  Recorder recorder(1);
  const std::uint64_t cookie = rig.add(recorder);
  CHECK_FALSE(readable(rig));
  CHECK(rig.notifications.dispatch(0) == 0);
  for (std::uint32_t i = 0; i < 10; ++i) rig.nicsim.produce(cookie, i);
  CHECK(readable(rig));
  CHECK(recorder.calls() == 0);
  CHECK(rig.notifications.dispatch(3) == 3);
  CHECK(readable(rig));
  CHECK(rig.notifications.dispatch(1) == 1);
  CHECK(readable(rig));
  CHECK(rig.notifications.dispatch(0) == 6);
  CHECK_FALSE(readable(rig));
  CHECK(rig.notifications.dispatch(0) == 0);
  for (std::uint32_t i = 0; i < 10; ++i) CHECK(recorder.seen(i) == i);
  rig.nicsim.produce(cookie, 1);
  CHECK(readable(rig));
  CHECK(rig.notifications.dispatch(1) == 1);
  CHECK_FALSE(readable(rig));
}

TEST_CASE("dispatch runs what is queued now, not what its handlers bring about") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_DISPATCH);
  Recorder recorder(1);
  struct Context {
    NotificationRig& rig;
    std::uint64_t cookie = 0;
    int inside = 0;
  } context{rig};
  recorder.run_inside(
      [](void* argument, const vmmc_notification*) {
        auto& inside = *static_cast<Context*>(argument);
        inside.rig.nicsim.produce(inside.cookie, 0);
        inside.inside = inside.rig.notifications.dispatch(0);
      },
      &context);
  context.cookie = rig.add(recorder);
  rig.nicsim.produce(context.cookie, 0);
  rig.nicsim.produce(context.cookie, 0);
  CHECK(rig.notifications.dispatch(0) == 2);
  CHECK(context.inside == VMMC_ERR_IN_HANDLER);
  CHECK(readable(rig));
  CHECK(rig.notifications.dispatch(0) == 2);
}

TEST_CASE("nothing is dispatched while blocked, or while another thread dispatches") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_DISPATCH);
  Recorder recorder(1);
  static std::atomic<bool> inside;
  static std::atomic<bool> go;
  inside = go = false;
  recorder.run_inside(
      [](void*, const vmmc_notification*) {
        inside = true;
        while (!go) ::usleep(100);
      },
      nullptr);
  const std::uint64_t cookie = rig.add(recorder);
  rig.nicsim.produce(cookie, 0);
  rig.nicsim.produce(cookie, 1);
  rig.notifications.block();
  CHECK(rig.notifications.dispatch(0) == 0);
  CHECK(rig.notifications.unblock() > 0);
  CHECK(recorder.calls() == 0);  // not by unblocking
  std::thread other([&] { CHECK(rig.notifications.dispatch(0) == 2); });
  wait_for([] { return inside.load(); });
  CHECK(rig.notifications.dispatch(0) == 0);
  go = true;
  other.join();
  CHECK_FALSE(readable(rig));
}

TEST_CASE("waits and removals make the descriptor tell the truth") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_DISPATCH);
  Recorder first(1);
  Recorder second(2);
  const std::uint64_t one = rig.add(first);
  const std::uint64_t two = rig.add(second);
  rig.nicsim.produce(one, 0);
  CHECK(rig.notifications.wait(one, 0, nullptr) == VMMC_OK);
  CHECK(rig.notifications.dispatch(0) == 0);
  CHECK_FALSE(readable(rig));
  // A wait that empties the pipe and finds what is not for it leaves the descriptor readable.
  std::thread waiting(
      [&] { CHECK(rig.notifications.wait(one, 50'000'000, nullptr) == VMMC_ERR_TIMEOUT); });
  ::usleep(5000);
  rig.nicsim.produce(two, 0);
  waiting.join();
  CHECK(readable(rig));
  rig.notifications.remove_handler(two);
  CHECK(rig.notifications.dispatch(0) == 0);
  CHECK_FALSE(readable(rig));
  CHECK(second.calls() == 0);
}

TEST_CASE("nicsim's end makes it readable; what is queued comes first") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_DISPATCH);
  Recorder recorder(1);
  const std::uint64_t cookie = rig.add(recorder);
  rig.nicsim.produce(cookie, 0);
  rig.nicsim.hang_up();
  CHECK(readable(rig));
  CHECK(rig.notifications.dispatch(0) == 1);
  CHECK(readable(rig));
  CHECK(rig.notifications.dispatch(0) == VMMC_ERR_NICSIM_GONE);
  CHECK(rig.waiter.nicsim_gone());  // for every other call
  CHECK(readable(rig));
}

namespace {

// An event loop until `count` notifications have been handled.
void run_event_loop(std::uint32_t events, std::uint32_t count) {
  const std::uint32_t seed = choose_seed();
  MESSAGE("VMMC_SEED=" << seed);
  NotificationRig rig(VMMC_DELIVER_BY_DISPATCH);
  Recorder recorder(1, count);
  const std::uint64_t cookie = rig.add(recorder);
  const vmmc::platform::FileDescriptor loop(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = events;
  REQUIRE(::epoll_ctl(loop.get(), EPOLL_CTL_ADD, rig.notifications.descriptor(), &event) == 0);
  std::thread nicsim([&] {
    std::mt19937 random(seed);
    for (std::uint32_t i = 0; i < count; ++i) {
      rig.nicsim.produce(cookie, i);
      if (random() % 64 == 0) ::usleep(random() % 100);
    }
  });
  std::mt19937 random(seed + 1);
  while (recorder.calls() < count) {
    REQUIRE(::epoll_wait(loop.get(), &event, 1, -1) == 1);
    const bool edges = (events & EPOLLET) != 0;
    // Who is told of changes only dispatches until nothing is left.
    while (rig.notifications.dispatch(edges ? 0 : random() % 5) > 0 && edges) {
    }
  }
  nicsim.join();
  std::uint64_t wrong = 0;
  for (std::uint32_t i = 0; i < count; ++i) wrong += recorder.seen(i) != i;
  CHECK(wrong == 0);
  CHECK(rig.notifications.dispatch(0) == 0);
  CHECK_FALSE(readable(rig));
}

}  // namespace

TEST_CASE("an event loop with epoll misses nothing") {
  const Watchdog watchdog;
  run_event_loop(EPOLLIN, 50'000);
}

TEST_CASE("an event loop that is told of changes only misses nothing either") {
  const Watchdog watchdog;
  run_event_loop(EPOLLIN | EPOLLET, 50'000);
}
