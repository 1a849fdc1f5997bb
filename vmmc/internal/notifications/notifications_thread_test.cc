// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Delivery by the library's thread, and what is the same for every delivery.

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "vmmc/internal/error.h"
#include "vmmc/internal/notifications/testing/notification_rig.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;

namespace {

constexpr std::uint64_t kForever = VMMC_FOREVER;

// The number of the thread of this process with the name; empty if there is none.
std::string thread_named(const std::string& wanted) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    if (std::getline(file, name) && name == wanted) return task.path().filename();
  }
  return "";
}

std::uint64_t voluntary_switches(const std::string& task) {
  std::ifstream file("/proc/self/task/" + task + "/status");
  const std::string wanted = "voluntary_ctxt_switches:";
  for (std::string word; file >> word;) {
    std::uint64_t count = 0;
    if (word == wanted && file >> count) return count;
  }
  return 0;
}

// A thread that has been joined may be seen for a moment.
void await_no_thread() {
  wait_for([] { return thread_named("vmmc-notify").empty(); });
}

void check_handlers() {
  CHECK(Recorder::nested() == 0);
  CHECK(Recorder::wrong() == 0);
}

}  // namespace

TEST_CASE("each notification is one call of its buffer's handler, in their order") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_THREAD);
  await_no_thread();
  Recorder first(1);
  Recorder second(2);
  const std::uint64_t cookies[] = {rig.add(first), rig.add(second)};
  CHECK_FALSE(thread_named("vmmc-notify").empty());
  for (std::uint32_t i = 0; i < 200; ++i) rig.nicsim.produce(cookies[i % 2], i);
  wait_for([&] { return first.calls() == 100 && second.calls() == 100; });
  for (std::uint32_t i = 0; i < 100; ++i) {
    CHECK(first.seen(i) == 2 * i);
    CHECK(second.seen(i) == 2 * i + 1);
  }
  rig.nicsim.produce(999, 0);  // a buffer that nobody knows: dropped
  rig.nicsim.produce(cookies[0], 7);
  wait_for([&] { return first.calls() == 101; });
  CHECK(rig.nicsim.consumed() == 202);
  rig.notifications.stop();
  await_no_thread();
  check_handlers();
}

TEST_CASE("while nothing comes the thread sleeps") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_THREAD);
  Recorder recorder(1);
  const std::uint64_t cookie = rig.add(recorder);
  rig.nicsim.produce(cookie, 1);
  wait_for([&] { return recorder.calls() == 1; });
  const std::string task = thread_named("vmmc-notify");
  wait_for([&] { return is_asleep(std::stoi(task)); });
  ::usleep(20'000);
  const std::uint64_t before = voluntary_switches(task);
  CHECK(before > 0);
  ::usleep(300'000);
  CHECK(voluntary_switches(task) == before);
  // Blocked, with some queued: it does not look again and again either.
  rig.notifications.block();
  rig.nicsim.produce(cookie, 2);
  wait_for([&] { return voluntary_switches(task) > before; });
  ::usleep(20'000);
  const std::uint64_t blocked = voluntary_switches(task);
  rig.nicsim.produce(cookie, 3);
  ::usleep(100'000);
  CHECK(voluntary_switches(task) == blocked);
  CHECK(rig.notifications.unblock() > 0);
  wait_for([&] { return recorder.calls() == 3; });
}

TEST_CASE("a thread that sleeps is asked for by one byte, a busy one by none") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_THREAD);
  Recorder recorder(1);
  std::atomic<bool> go{false};
  recorder.run_inside(
      [](void* argument, const vmmc_notification*) {
        while (!*static_cast<std::atomic<bool>*>(argument)) ::usleep(100);
      },
      &go);
  const std::uint64_t cookie = rig.add(recorder);
  const std::string task = thread_named("vmmc-notify");
  wait_for([&] { return is_asleep(std::stoi(task)); });
  for (std::uint32_t i = 0; i < 100; ++i) rig.nicsim.produce(cookie, i);
  CHECK(rig.nicsim.bytes() <= 2);
  go = true;
  wait_for([&] { return recorder.calls() == 100; });
}

namespace {

// Producer, and threads that block and unblock, until all have been delivered.
void flood(vmmc_delivery delivery, std::uint32_t count) {
  const std::uint32_t seed = choose_seed();
  MESSAGE("VMMC_SEED=" << seed);
  NotificationRig rig(delivery);
  Recorder recorder(1, count);
  const std::uint64_t cookie = rig.add(recorder);
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> moved{0};
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      std::mt19937 random(seed + i);
      while (!over) {
        const std::uint32_t depth = 1 + random() % 3;
        for (std::uint32_t k = 0; k < depth; ++k) rig.notifications.block();
        const std::uint64_t before = recorder.calls();
        if (Recorder::running()) ++moved;
        if (random() % 8 == 0) ::usleep(random() % 200);
        if (recorder.calls() != before) ++moved;
        for (std::uint32_t k = 0; k < depth; ++k) rig.notifications.unblock();
        if (random() % 2 == 0) std::this_thread::yield();
      }
    });
  }
  std::thread nicsim([&] {
    for (std::uint32_t i = 0; i < count; ++i) rig.nicsim.produce(cookie, i);
  });
  nicsim.join();
  wait_for([&] { return recorder.calls() == count; });
  over = true;
  for (std::thread& thread : threads) thread.join();
  std::uint64_t wrong = 0;
  for (std::uint32_t i = 0; i < count; ++i) wrong += recorder.seen(i) != i;
  CHECK(wrong == 0);
  CHECK(moved == 0);
  CHECK(recorder.calls() == count);
  check_handlers();
}

}  // namespace

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint32_t kFlood = 30'000;
#else
constexpr std::uint32_t kFlood = 1'000'000;
#endif

TEST_CASE("of a million none is lost, merged or overtaken while threads block and unblock") {
  const Watchdog watchdog;
  flood(VMMC_DELIVER_BY_THREAD, kFlood);
}

TEST_CASE("inside a handler notifications are blocked, and may be blocked further") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_THREAD);
  Recorder recorder(1);
  static int results[4];
  recorder.run_inside(
      [](void* argument, const vmmc_notification*) {
        auto& notifications = *static_cast<Notifications*>(argument);
        results[0] = notifications.unblock();
        notifications.block();
        notifications.block();
        results[1] = notifications.unblock();
        results[2] = notifications.wait(1, 0, nullptr);
      },
      &rig.notifications);
  const std::uint64_t cookie = rig.add(recorder);
  rig.nicsim.produce(cookie, 1);
  rig.nicsim.produce(cookie, 2);
  wait_for([&] { return recorder.calls() == 1; });
  ::usleep(30'000);
  CHECK(recorder.calls() == 1);  // the process stays blocked
  CHECK(results[0] == VMMC_ERR_IN_HANDLER);
  CHECK(results[1] == 0);
  CHECK(results[2] == VMMC_ERR_IN_HANDLER);
  CHECK(rig.notifications.unblock() > 0);
  wait_for([&] { return recorder.calls() == 2; });
}

TEST_CASE("a handler that is removed while it runs in another thread is waited for") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_THREAD);
  Recorder slow(1);
  Recorder other(2);
  static std::atomic<bool> go;
  static std::atomic<bool> inside;
  go = inside = false;
  slow.run_inside(
      [](void*, const vmmc_notification*) {
        inside = true;
        while (!go) ::usleep(100);
        ::usleep(20'000);
      },
      nullptr);
  const std::uint64_t cookie = rig.add(slow);
  const std::uint64_t other_cookie = rig.add(other);
  rig.nicsim.produce(cookie, 1);
  wait_for([] { return inside.load(); });
  for (std::uint32_t i = 0; i < 20; ++i) {
    rig.nicsim.produce(cookie, 2);
    rig.nicsim.produce(other_cookie, i);
  }
  std::thread([] {
    ::usleep(10'000);
    go = true;
  }).detach();
  rig.notifications.remove_handler(cookie);
  CHECK(slow.calls() == 1);
  wait_for([&] { return other.calls() == 20; });
  CHECK(slow.calls() == 1);
  CHECK(rig.nicsim.consumed() == 41);
  check_handlers();
}

TEST_CASE("a handler may remove itself and others, and add one") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_THREAD);
  struct Context {
    NotificationRig& rig;
    Recorder next{3};
    std::uint64_t own = 0;
    std::uint64_t neighbour = 0;
    std::uint64_t added = 0;
  } context{rig};
  Recorder recorder(1);
  Recorder neighbour(2);
  recorder.run_inside(
      [](void* argument, const vmmc_notification*) {
        auto& inside = *static_cast<Context*>(argument);
        inside.rig.notifications.remove_handler(inside.neighbour);
        inside.rig.notifications.remove_handler(inside.own);
        inside.added = inside.rig.add(inside.next);
      },
      &context);
  rig.notifications.block();
  context.own = rig.add(recorder);
  context.neighbour = rig.add(neighbour);
  rig.nicsim.produce(context.own, 1);
  rig.nicsim.produce(context.neighbour, 2);
  rig.nicsim.produce(context.own, 3);
  CHECK(rig.notifications.unblock() > 0);
  wait_for([&] { return recorder.calls() == 1; });
  rig.nicsim.produce(context.added, 4);
  wait_for([&] { return context.next.calls() == 1; });
  CHECK(recorder.calls() == 1);
  CHECK(neighbour.calls() == 0);
  CHECK(rig.nicsim.consumed() == 4);
}

TEST_CASE("dropped notifications give their room back to nicsim that waits for it") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_THREAD);
  Recorder dropped(1);
  Recorder kept(2);
  rig.notifications.block();
  const std::uint64_t cookie = rig.add(dropped);
  const std::uint64_t kept_cookie = rig.add(kept);
  std::thread nicsim([&] {
    for (std::uint32_t i = 0; i < 512; ++i) rig.nicsim.produce(cookie, i);
    for (std::uint32_t i = 0; i < 512; ++i) rig.nicsim.produce(kept_cookie, i);
  });
  wait_for([&] { return rig.nicsim.sleeps() == 1; });
  rig.notifications.remove_handler(cookie);
  nicsim.join();
  CHECK(rig.notifications.unblock() > 0);
  wait_for([&] { return kept.calls() == 512; });
  CHECK(dropped.calls() == 0);
}

TEST_CASE("after nicsim's end the rest is delivered, and the thread sleeps") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_THREAD);
  Recorder recorder(1);
  const std::uint64_t cookie = rig.add(recorder);
  rig.notifications.block();
  for (std::uint32_t i = 0; i < 5; ++i) rig.nicsim.produce(cookie, i);
  rig.nicsim.hang_up();
  CHECK(rig.notifications.unblock() > 0);
  wait_for([&] { return recorder.calls() == 5; });
  const std::string task = thread_named("vmmc-notify");
  wait_for([&] { return is_asleep(std::stoi(task)); });
  ::usleep(20'000);
  const std::uint64_t before = voluntary_switches(task);
  ::usleep(100'000);
  CHECK(voluntary_switches(task) == before);
  CHECK(is_asleep(std::stoi(task)));
}

TEST_CASE("stop waits for the handler, and none runs afterwards") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_THREAD);
  Recorder recorder(1);
  static std::atomic<bool> inside;
  inside = false;
  recorder.run_inside(
      [](void*, const vmmc_notification*) {
        inside = true;
        ::usleep(50'000);
      },
      nullptr);
  const std::uint64_t cookie = rig.add(recorder);
  // All of them take longer than this thread may be kept from stopping them.
  constexpr std::uint64_t kQueued = vmmc::wire::kNotificationSlots;
  for (std::uint32_t i = 0; i < kQueued; ++i) rig.nicsim.produce(cookie, i);
  wait_for([] { return inside.load(); });
  rig.notifications.stop();
  CHECK_FALSE(Recorder::running());
  const std::uint64_t calls = recorder.calls();
  CHECK(calls >= 1);
  CHECK(calls < kQueued);
  CHECK(rig.nicsim.consumed() == kQueued);
  ::usleep(20'000);
  CHECK(recorder.calls() == calls);
  rig.notifications.stop();
}

#if !defined(__SANITIZE_THREAD__)
TEST_CASE("a forked child keeps none of the descriptors, and the parent is not disturbed") {
  const Watchdog watchdog;
  for (const vmmc_delivery delivery :
       {VMMC_DELIVER_BY_THREAD, VMMC_DELIVER_BY_SIGNAL, VMMC_DELIVER_BY_DISPATCH}) {
    const auto descriptors = [] {
      return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
    };
    const auto before = descriptors();
    NotificationRig rig(delivery);
    const auto nicsims = descriptors() - before - 1;  // the pipe's reading end is the library's
    Recorder recorder(1);
    const std::uint64_t cookie = rig.add(recorder);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::alarm(30);
      rig.notifications.abandon_in_child();
      struct sigaction present {};
      ::sigaction(SIGRTMIN + 2, nullptr, &present);
      const bool clean = descriptors() == before + nicsims && present.sa_handler == SIG_DFL;
      ::_exit(clean ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    rig.nicsim.produce(cookie, 1);
    if (delivery == VMMC_DELIVER_BY_DISPATCH) CHECK(rig.notifications.dispatch(0) == 1);
    wait_for([&] { return recorder.calls() == 1; });
  }
}
#endif

TEST_CASE("options are checked, and the other deliveries' calls refused") {
  CHECK(Notifications::check_options(VMMC_DELIVER_BY_THREAD, 0) == VMMC_OK);
  CHECK(Notifications::check_options(VMMC_DELIVER_BY_SIGNAL, 0) == VMMC_OK);
  CHECK(Notifications::check_options(VMMC_DELIVER_BY_SIGNAL, SIGUSR1) == VMMC_OK);
  CHECK(Notifications::check_options(VMMC_DELIVER_BY_SIGNAL, SIGRTMAX) == VMMC_OK);
  for (const int signal : {SIGKILL, SIGSTOP, SIGSEGV, -1, SIGRTMAX + 1, SIGRTMIN - 1}) {
    CHECK(Notifications::check_options(VMMC_DELIVER_BY_SIGNAL, signal) ==
          VMMC_ERR_INVALID_ARGUMENT);
  }
  CHECK(Notifications::check_options(3, 0) == VMMC_ERR_INVALID_ARGUMENT);
  CHECK(Notifications::check_options(-1, 0) == VMMC_ERR_INVALID_ARGUMENT);
  NotificationRig rig(VMMC_DELIVER_BY_THREAD);
  CHECK(rig.notifications.dispatch(0) == VMMC_ERR_WRONG_DELIVERY);
  CHECK(rig.notifications.descriptor() == VMMC_ERR_WRONG_DELIVERY);
  CHECK(rig.notifications.unblock() > 0);
  CHECK(rig.notifications.wait(5, kForever, nullptr) == VMMC_ERR_UNKNOWN_EXPORT);
}
