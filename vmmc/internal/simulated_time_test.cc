// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/simulated_time.h"

#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <new>
#include <thread>

#include "platform/file_descriptor.h"
#include "platform/futex.h"

namespace vmmc::internal {
namespace {

using wire::ContextState;

constexpr std::uint32_t word(ContextState state) { return static_cast<std::uint32_t>(state); }

// The test's thread plays nicsim, in a mapping of its own, as nicsim has one.
class Nicsim {
 public:
  Nicsim() {
    ::alarm(50);  // whatever waits for ever
    const platform::FileDescriptor memory(::memfd_create("channel", MFD_CLOEXEC));
    REQUIRE(::ftruncate(memory.get(), sizeof(wire::Channel)) == 0);
    for (wire::Channel** mapping : {&theirs_, &ours_}) {
      void* const mapped = ::mmap(nullptr, sizeof(wire::Channel), PROT_READ | PROT_WRITE,
                                  MAP_SHARED, memory.get(), 0);
      REQUIRE(mapped != MAP_FAILED);
      *mapping = static_cast<wire::Channel*>(mapped);
    }
    ours_->time_contexts[0].state.store(word(ContextState::kRunning));
  }
  ~Nicsim() {
    ::munmap(theirs_, sizeof(wire::Channel));
    ::munmap(ours_, sizeof(wire::Channel));
    ::alarm(0);
  }
  Nicsim(const Nicsim&) = delete;
  Nicsim& operator=(const Nicsim&) = delete;

  wire::Channel& channel() { return *theirs_; }
  int doorbell() const { return doorbell_.get(); }
  wire::TimeContext& context(int number) { return ours_->time_contexts[number]; }
  std::uint32_t state(int number) { return context(number).state.load(std::memory_order_acquire); }

  void await(int number, ContextState state_awaited) {
    while (state(number) != word(state_awaited)) {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
  void resume(int number, std::uint64_t clock, std::uint64_t left = 0) {
    context(number).clock = clock;
    context(number).left = left;
    std::uint32_t expected = word(ContextState::kParked);
    REQUIRE(context(number).state.compare_exchange_strong(expected, word(ContextState::kRunning)));
    platform::futex_wake(context(number).state);
  }
  std::uint64_t rings() {
    std::uint64_t count = 0;
    return ::read(doorbell_.get(), &count, sizeof count) == sizeof count ? count : 0;
  }

 private:
  wire::Channel* theirs_ = nullptr;
  wire::Channel* ours_ = nullptr;
  platform::FileDescriptor doorbell_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
};

// A process whose program runs in a thread of its own.
struct Fixture {
  Nicsim nicsim;
  SimulatedTime time{nicsim.channel()};
  std::atomic<bool> started{false};

  template <typename Program>
  std::thread run(Program program) {
    return std::thread([this, program] {
      if (!time.on()) REQUIRE(time.start(nicsim.doorbell()));
      started.store(true);
      program();
    });
  }
};

TEST_CASE_FIXTURE(Fixture, "in real time it says so and nothing else") {
  CHECK_FALSE(time.on());
  time.wake(wire::kWakeOnNotification);
  time.announce_end();
  CHECK(nicsim.rings() == 0);
}

TEST_CASE_FIXTURE(Fixture, "a park says what it waits for, rings, and returns the clock") {
  std::uint64_t clock = 0;
  std::thread program = run([&] {
    errno = 42;
    clock = time.park({.reasons = wire::kWakeOnArrival | wire::kWakeOnWatch,
                       .wait = 77,
                       .watch_segment = 5,
                       .watch_offset = 4096});
    CHECK(errno == 42);
  });
  nicsim.await(0, ContextState::kParked);
  const wire::TimeContext& context = nicsim.context(0);
  CHECK(context.reasons == (wire::kWakeOnArrival | wire::kWakeOnWatch));
  CHECK(context.wait == 77);
  CHECK(context.watch_segment == 5);
  CHECK(context.watch_offset == 4096);
  const std::uint32_t parks = context.parks;
  nicsim.resume(0, 1234);
  program.join();
  CHECK(clock == 1234);
  CHECK(nicsim.rings() >= 1);
  CHECK(parks == 1);
}

TEST_CASE_FIXTURE(Fixture, "who computes works on for what is left") {
  std::thread program = run([&] { time.compute(1000); });
  nicsim.await(0, ContextState::kParked);
  CHECK(nicsim.context(0).reasons == wire::kComputes);
  CHECK(nicsim.context(0).wait == 1000);
  nicsim.resume(0, 300, 700);
  while (nicsim.context(0).wait != 700) std::this_thread::yield();
  nicsim.await(0, ContextState::kParked);
  nicsim.resume(0, 1000);
  program.join();
}

TEST_CASE_FIXTURE(Fixture, "a word that has changed already leaves no time for a park") {
  std::atomic<std::uint32_t> news{7};
  std::thread program = run([&] { time.park({.word = &news, .expected = 6}); });
  program.join();
  CHECK(nicsim.rings() == 1);  // the thread's end
  CHECK(nicsim.context(0).parks == 0);
}

// A second thread, parked in context 1.
template <typename Program>
void beside_a_parked_thread(Fixture& fixture, Program program) {
  std::thread first = fixture.run([&] {
    const int context = fixture.time.claim();
    CHECK(context == 1);
    (void)fixture.nicsim.rings();
    std::thread other([&, context] {
      fixture.time.adopt(context);
      fixture.time.park({.reasons = wire::kWakeOnNotification});
    });
    fixture.time.await_first_park(context);
    CHECK(fixture.nicsim.state(1) == word(ContextState::kParked));
    while (fixture.nicsim.rings() == 0) std::this_thread::yield();  // it rings when it is parked
    program();
    other.join();
    CHECK(fixture.nicsim.state(1) == word(ContextState::kFree));  // it has ended
  });
  first.join();
}

TEST_CASE_FIXTURE(Fixture,
                  "another thread wakes those that wait for its reason, for nicsim to see") {
  beside_a_parked_thread(*this, [&] {
    time.wake(wire::kWakeOnArrival);
    CHECK(nicsim.context(1).woken.load() == 0);
    (void)nicsim.rings();
    time.wake(wire::kWakeOnNotification);
    CHECK(nicsim.context(1).woken.load() == 1);
    CHECK(nicsim.state(1) == word(ContextState::kParked));  // it does not run beside the caller
    CHECK(nicsim.rings() == 0);
    nicsim.resume(1, 5);
  });
}

TEST_CASE_FIXTURE(Fixture, "a thread that takes no part rings when it has woken one") {
  beside_a_parked_thread(*this, [&] {
    (void)nicsim.rings();
    std::thread([&] { time.wake(wire::kWakeOnNotification); }).join();
    CHECK(nicsim.rings() == 1);
    CHECK(nicsim.state(1) == word(ContextState::kParked));
    nicsim.resume(1, 5);
  });
}

TEST_CASE_FIXTURE(Fixture, "who waits for a thread's end lets it go on at once") {
  beside_a_parked_thread(*this, [&] { time.wake_at_once(wire::kWakeOnNotification); });
}

TEST_CASE_FIXTURE(Fixture, "a context whose thread could not be started is free again") {
  std::thread program = run([&] {
    const int context = time.claim();
    time.release(context);
    CHECK(time.claim() == context);
  });
  program.join();
}

TEST_CASE_FIXTURE(Fixture, "a thread has its context from its first call until it ends") {
  std::thread program = run([&] {
    std::thread other([&] {
      time.now();
      time.now();
    });
    for (const std::uint64_t clock : {10u, 20u}) {
      while (nicsim.context(1).wait != 0 || nicsim.context(1).parks != clock / 10) {
        std::this_thread::yield();
      }
      nicsim.await(1, ContextState::kParked);
      nicsim.resume(1, clock);
    }
    other.join();
    CHECK(nicsim.state(1) == word(ContextState::kFree));
    CHECK(nicsim.state(0) == word(ContextState::kRunning));
  });
  program.join();
}

TEST_CASE_FIXTURE(Fixture, "a thread that gives its context back takes another one later") {
  std::thread program = run([&] {
    std::thread other([&] {
      time.now();
      time.give_back();
      time.give_back();
      CHECK(nicsim.state(1) == word(ContextState::kFree));
      time.now();
    });
    for (int round = 0; round < 2; ++round) {
      nicsim.await(1, ContextState::kParked);
      nicsim.resume(1, 1);
    }
    other.join();
    CHECK(nicsim.state(1) == word(ContextState::kFree));
  });
  program.join();
}

SimulatedTime* interrupted_time = nullptr;

TEST_CASE_FIXTURE(Fixture, "a handler above a parked thread has a context of its own") {
  interrupted_time = &time;
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { interrupted_time->let_pass(50); };
  ::sigaction(SIGUSR2, &action, &before);
  std::thread program = run([&] { time.let_pass(100); });
  nicsim.await(0, ContextState::kParked);
  ::pthread_kill(program.native_handle(), SIGUSR2);
  nicsim.await(1, ContextState::kParked);
  CHECK(nicsim.context(1).wait == 50);
  CHECK(nicsim.context(0).wait == 100);
  nicsim.resume(1, 50);
  nicsim.await(1, ContextState::kFree);
  CHECK(nicsim.state(0) == word(ContextState::kParked));
  nicsim.resume(0, 100);
  program.join();
  ::sigaction(SIGUSR2, &before, nullptr);
}

TEST_CASE_FIXTURE(Fixture, "what a notification calls runs in the thread before it goes on") {
  struct Calls {
    SimulatedTime* time;
    int depth = 0;
    int calls = 0;
  } calls{&time};
  std::thread program = run([&] {
    time.on_notification(
        [](void* argument) {
          Calls& mine = *static_cast<Calls*>(argument);
          ++mine.calls;
          if (mine.depth++ == 0) mine.time->let_pass(5);  // the thread's own context
          --mine.depth;
        },
        &calls);
    time.park({.reasons = wire::kWakeOnArrival});
    time.on_notification(nullptr, nullptr);
  });
  nicsim.await(0, ContextState::kParked);
  CHECK(nicsim.context(0).reasons == (wire::kWakeOnArrival | wire::kWakeOnNotification));
  nicsim.resume(0, 1);
  while (nicsim.context(0).wait != 5) std::this_thread::yield();
  nicsim.await(0, ContextState::kParked);
  nicsim.resume(0, 6);
  program.join();
  CHECK(calls.calls == 2);
}

TEST_CASE_FIXTURE(Fixture, "nicsim's end lets everybody go on, now and later") {
  std::thread program = run([&] {
    std::thread other([&] { time.park({}); });
    time.park({});
    time.compute(1000);
    other.join();
    time.park({});
  });
  nicsim.await(0, ContextState::kParked);
  nicsim.await(1, ContextState::kParked);
  REQUIRE(started.load());
  time.announce_end();
  program.join();
}

TEST_CASE_FIXTURE(Fixture, "more threads than contexts wait for one that ends") {
  std::thread program = run([&] {
    for (std::uint32_t i = 1; i < wire::kTimeContexts; ++i)
      CHECK(time.claim() == static_cast<int>(i));
    std::atomic<int> claimed{-1};
    std::thread late([&] {
      claimed.store(time.claim());
      time.adopt(claimed.load());
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(claimed.load() == -1);
    nicsim.context(17).state.store(word(ContextState::kFree));
    late.join();
    CHECK(claimed.load() == 17);
  });
  program.join();
}

TEST_CASE_FIXTURE(Fixture,
                  "a thread that leaves is parked and runs, and comes back when it is let") {
  std::atomic<int> step{0};
  std::thread program = run([&] {
    time.come_back();  // from nowhere
    time.leave();
    time.leave();
    step.store(1);
    while (step.load() != 2) std::this_thread::yield();
    errno = 42;
    time.come_back();
    CHECK(errno == 42);
    step.store(3);
    time.leave();
    CHECK(time.now() == 99);  // comes back first
  });
  while (step.load() != 1) std::this_thread::yield();
  const wire::TimeContext& context = nicsim.context(0);
  CHECK(nicsim.state(0) == word(ContextState::kParked));
  CHECK(context.reasons == wire::kIsOutside);
  CHECK(context.wait == wire::kNoEnd);
  CHECK(context.parks == 1);
  CHECK(context.woken.load() == 0);
  CHECK(nicsim.rings() == 1);
  step.store(2);
  while (nicsim.context(0).woken.load() == 0) std::this_thread::yield();
  CHECK(step.load() == 2);
  nicsim.resume(0, 7);
  while (step.load() != 3) std::this_thread::yield();
  nicsim.await(0, ContextState::kParked);
  while (nicsim.context(0).parks != 2 || nicsim.context(0).woken.load() == 0) {
    std::this_thread::yield();
  }
  nicsim.resume(0, 8);
  while (nicsim.context(0).parks != 3) std::this_thread::yield();
  nicsim.await(0, ContextState::kParked);
  nicsim.resume(0, 99);
  program.join();
}

TEST_CASE("timeouts") {
  CHECK(SimulatedTime::end_of(5, 2) == 2005);
  CHECK(SimulatedTime::end_of(5, UINT64_MAX) == wire::kNoEnd);
  CHECK(SimulatedTime::end_of(wire::kNoEnd - 1000, 1) == wire::kNoEnd);
  CHECK(SimulatedTime::until(wire::kNoEnd, 7) == wire::kNoEnd);
  CHECK(SimulatedTime::until(2005, 5) == 2000);
}

}  // namespace
}  // namespace vmmc::internal
