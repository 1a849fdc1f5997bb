// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Delivery by a signal.

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <random>
#include <thread>

#include "vmmc/internal/error.h"
#include "vmmc/internal/notifications/testing/notification_rig.h"
#include "vmmc/internal/send_queue.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;

namespace {

// nicsim in a thread that takes no signals.
template <typename Function>
std::thread nicsim_thread(Function function) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(function);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

class SignalBlocked {
 public:
  SignalBlocked() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGRTMIN + 2);
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~SignalBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

struct sigaction disposition(int signal) {
  struct sigaction present {};
  ::sigaction(signal, nullptr, &present);
  return present;
}

}  // namespace

TEST_CASE("the handler runs in a thread of the program, and errno is left alone") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_SIGNAL);
  Recorder recorder(1);
  static std::atomic<pid_t> ran_in;
  recorder.run_inside(
      [](void*, const vmmc_notification*) {
        ran_in = ::gettid();
        errno = ENOENT;
      },
      nullptr);
  const std::uint64_t cookie = rig.add(recorder);
  errno = EDOM;
  for (std::uint32_t i = 0; i < 50; ++i) {
    rig.nicsim.produce(cookie, i);
    // The signal of our own write to the pipe comes before the write returns.
    REQUIRE(recorder.calls() == i + 1);
    REQUIRE(recorder.seen(i) == i);
  }
  CHECK(errno == EDOM);
  CHECK(ran_in == ::gettid());
  CHECK(rig.nicsim.bytes() == 50);
}

TEST_CASE("what is queued is delivered before unblock returns") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_SIGNAL);
  Recorder recorder(1);
  const std::uint64_t cookie = rig.add(recorder);
  std::uint64_t expected = 0;
  for (std::uint32_t round = 0; round < 100; ++round) {
    rig.notifications.block();
    rig.notifications.block();
    for (std::uint32_t i = 0; i < round % 7; ++i, ++expected) rig.nicsim.produce(cookie, i);
    CHECK(rig.notifications.unblock() == 0);
    CHECK(rig.notifications.unblock() > 0);
    REQUIRE(recorder.calls() == expected);
    rig.nicsim.produce(cookie, 0);
    REQUIRE(recorder.calls() == ++expected);
  }
}

TEST_CASE("a signal that comes while it is blocked stands for all that were queued") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_SIGNAL);
  Recorder recorder(1);
  const std::uint64_t cookie = rig.add(recorder);
  {
    const SignalBlocked blocked;
    for (std::uint32_t i = 0; i < 100; ++i) rig.nicsim.produce(cookie, i);
    CHECK(recorder.calls() == 0);
    // Not so by unblocking notifications.
    rig.notifications.block();
    CHECK(rig.notifications.unblock() > 0);
    CHECK(recorder.calls() == 100);
    for (std::uint32_t i = 0; i < 100; ++i) rig.nicsim.produce(cookie, i);
  }
  CHECK(recorder.calls() == 200);
}

TEST_CASE("waits with the signal blocked everywhere leave one signal pending, not thousands") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_SIGNAL);
  Recorder waited(1);
  Recorder other(2);
  const std::uint64_t cookie = rig.add(waited);
  const std::uint64_t other_cookie = rig.add(other);
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_SIGPENDING, &limit) == 0);
  {
    const SignalBlocked blocked;
    rlimit low = limit;
    low.rlim_cur = 64;  // more would be SIGIO, which ends the process
    REQUIRE(::setrlimit(RLIMIT_SIGPENDING, &low) == 0);
    std::thread nicsim = nicsim_thread([&] {
      for (std::uint32_t i = 0; i < 2000; ++i) {
        rig.nicsim.produce(cookie, i);
        wait_for([&] { return rig.nicsim.consumed() == i + 1; });
      }
      rig.nicsim.produce(other_cookie, 5);
    });
    for (std::uint32_t i = 0; i < 2000; ++i) {
      REQUIRE(rig.notifications.wait(cookie, VMMC_FOREVER, nullptr) == VMMC_OK);
    }
    nicsim.join();
    ::setrlimit(RLIMIT_SIGPENDING, &limit);
    CHECK(other.calls() == 0);
  }
  CHECK(other.calls() == 1);
  CHECK(waited.calls() == 0);
}

TEST_CASE("neither does a program that keeps the signal blocked and polls by unblocking") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_SIGNAL);
  Recorder recorder(1);
  const std::uint64_t cookie = rig.add(recorder);
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_SIGPENDING, &limit) == 0);
  const SignalBlocked blocked;
  rlimit low = limit;
  low.rlim_cur = 64;
  REQUIRE(::setrlimit(RLIMIT_SIGPENDING, &low) == 0);
  for (std::uint32_t i = 0; i < 2000; ++i) {
    rig.notifications.block();
    rig.nicsim.produce(cookie, i);
    CHECK(rig.notifications.unblock() > 0);
    REQUIRE(recorder.calls() == i + 1);
  }
  ::setrlimit(RLIMIT_SIGPENDING, &limit);
}

TEST_CASE("a handler may send while it interrupts a send, and rings for nicsim that sleeps") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_SIGNAL);
  struct Context {
    std::atomic<vmmc_wait_strategy> strategy{VMMC_WAIT_ADAPTIVE};
    SendQueue queue;
    std::atomic<std::uint64_t> sent{0};
    std::atomic<std::uint64_t> refused{0};

    explicit Context(NotificationRig& its)
        : queue(its.nicsim.channel(), its.waiter, its.nicsim.doorbell(), strategy) {}
    void send() {
      SendQueue::Slot slot;
      const int status = queue.begin(slot);
      ++(status == VMMC_OK ? sent : refused);
      if (status == VMMC_OK) queue.publish(slot, {.place = vmmc::wire::LocalPlace::kInline});
    }
  } context(rig);
  Recorder recorder(1);
  recorder.run_inside(
      [](void* argument, const vmmc_notification*) { static_cast<Context*>(argument)->send(); },
      &context);
  const std::uint64_t cookie = rig.add(recorder);
  std::thread nicsim = nicsim_thread([&] {
    for (std::uint32_t i = 0; i < 100; ++i) {
      rig.nicsim.channel().doorbell.nic_sleeps = 1;
      rig.nicsim.produce(cookie, i);
      wait_for([&] { return recorder.calls() == i + 1; });
    }
  });
  for (int i = 0; i < 100; ++i) {
    context.send();
    ::usleep(100);
  }
  nicsim.join();
  CHECK(context.sent + context.refused == 200);
  CHECK(context.refused < 100);
  CHECK(context.queue.posted() == context.sent);
  CHECK(context.queue.doorbells() > 0);
}

TEST_CASE("a program's own handler is not replaced, its other disposition comes back") {
  const Watchdog watchdog;
  ::signal(SIGUSR2, [](int) {});
  {
    NotificationRig rig(VMMC_DELIVER_BY_SIGNAL, SIGUSR2);
    Recorder recorder(1);
    std::uint64_t cookie = 0;
    CHECK(rig.notifications.add_handler(recorder.handler(), &cookie) == VMMC_ERR_INVALID_ARGUMENT);
    CHECK(std::string(last_error()).find("signal 12") != std::string::npos);
  }
  CHECK((disposition(SIGUSR2).sa_handler != SIG_DFL));
  for (const auto before : {SIG_DFL, SIG_IGN}) {
    ::signal(SIGUSR2, before);
    {
      NotificationRig rig(VMMC_DELIVER_BY_SIGNAL, SIGUSR2);
      Recorder recorder(1);
      const std::uint64_t cookie = rig.add(recorder);
      rig.nicsim.produce(cookie, 1);
      CHECK(recorder.calls() == 1);
      CHECK((disposition(SIGUSR2).sa_handler != before));
      NotificationRig second(VMMC_DELIVER_BY_SIGNAL, SIGUSR1);
      CHECK(second.add(recorder) == 0);  // one at a time
      rig.notifications.stop();
      rig.nicsim.produce(cookie, 2);
      CHECK(recorder.calls() == 1);
    }
    CHECK((disposition(SIGUSR2).sa_handler == before));
  }
  ::signal(SIGUSR2, SIG_DFL);
}

TEST_CASE("no signal is left pending for a program that would end by it") {
  const Watchdog watchdog;
  const SignalBlocked blocked;
  {
    NotificationRig rig(VMMC_DELIVER_BY_SIGNAL);
    Recorder recorder(1);
    const std::uint64_t cookie = rig.add(recorder);
    rig.nicsim.produce(cookie, 1);
    sigset_t pending;
    ::sigpending(&pending);
    CHECK(::sigismember(&pending, SIGRTMIN + 2) == 1);
  }
  sigset_t pending;
  ::sigpending(&pending);
  CHECK(::sigismember(&pending, SIGRTMIN + 2) == 0);
  CHECK((disposition(SIGRTMIN + 2).sa_handler == SIG_DFL));
}

// ThreadSanitizer keeps signals back while a thread is in read().
#if !defined(__SANITIZE_THREAD__)
TEST_CASE("interrupted system calls are restarted") {
  const Watchdog watchdog;
  NotificationRig rig(VMMC_DELIVER_BY_SIGNAL);
  Recorder recorder(1);
  const std::uint64_t cookie = rig.add(recorder);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  std::thread nicsim = nicsim_thread([&] {
    for (std::uint32_t i = 0; i < 20; ++i) {
      ::usleep(2000);
      rig.nicsim.produce(cookie, i);
    }
    wait_for([&] { return recorder.calls() == 20; });
    (void)!::write(ends[1], "x", 1);
  });
  char byte = 0;
  CHECK(::read(ends[0], &byte, 1) == 1);
  nicsim.join();
  ::close(ends[0]);
  ::close(ends[1]);
}
#endif

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint32_t kFlood = 50'000;
#else
constexpr std::uint32_t kFlood = 1'000'000;
#endif

TEST_CASE("of a million none is lost, merged or overtaken, wherever the signal comes") {
  const Watchdog watchdog;
  const std::uint32_t seed = choose_seed();
  MESSAGE("VMMC_SEED=" << seed);
  NotificationRig rig(VMMC_DELIVER_BY_SIGNAL);
  Recorder recorder(1, kFlood);
  const std::uint64_t cookie = rig.add(recorder);
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> moved{0};
  const auto interrupted = [&](std::uint32_t number) {
    std::mt19937 random(seed + number);
    while (!over) {
      rig.notifications.block();
      const std::uint64_t before = recorder.calls();
      if (Recorder::running()) ++moved;
      if (random() % 8 == 0) ::usleep(random() % 100);
      if (recorder.calls() != before) ++moved;
      rig.notifications.unblock();
      if (random() % 4 == 0) std::this_thread::yield();
    }
  };
  std::thread first(interrupted, 1);
  std::thread second(interrupted, 2);
  std::thread nicsim = nicsim_thread([&] {
    std::mt19937 random(seed);
    for (std::uint32_t i = 0; i < kFlood; ++i) {
      rig.nicsim.produce(cookie, i);
      if (random() % 4096 == 0) ::usleep(100);  // the queue empties, the next one signals
    }
  });
  nicsim.join();
  wait_for([&] { return recorder.calls() == kFlood; });
  over = true;
  first.join();
  second.join();
  std::uint64_t wrong = 0;
  for (std::uint32_t i = 0; i < kFlood; ++i) wrong += recorder.seen(i) != i;
  CHECK(wrong == 0);
  CHECK(moved == 0);
  CHECK(recorder.calls() == kFlood);
  CHECK(Recorder::nested() == 0);
  CHECK(Recorder::wrong() == 0);
  CHECK(rig.nicsim.lost_bytes() == 0);
  MESSAGE(rig.nicsim.bytes() << " signals, nicsim waited " << rig.nicsim.sleeps() << " times");
}
