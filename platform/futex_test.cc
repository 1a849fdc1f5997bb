// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/futex.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <new>

#include "platform/testing/thread_state.h"

namespace vmmc::platform {
namespace {

constexpr unsigned kWatchdogSeconds = 30;
constexpr std::uint64_t kMillisecond = 1'000'000;

// What a test and its children share.
struct Shared {
  std::atomic<std::uint32_t> word{0};
  std::atomic<std::uint32_t> other{0};
  std::atomic<std::uint32_t> woken{0};
};

class SharedPage {
 public:
  SharedPage() {
    ::alarm(kWatchdogSeconds);
    void* page =
        ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(page != MAP_FAILED);
    shared_ = new (page) Shared;
  }
  ~SharedPage() {
    ::munmap(shared_, sizeof(Shared));
    ::alarm(0);
  }
  Shared* operator->() const { return shared_; }

 private:
  Shared* shared_;
};

// A child that sleeps on the word while it holds 0, then counts itself as woken.
pid_t start_sleeper(const SharedPage& shared) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::alarm(kWatchdogSeconds);
  futex_wait(shared->word, 0, UINT64_MAX);
  shared->woken.fetch_add(1);
  ::_exit(0);
}

void wait_until_asleep(pid_t child) {
  for (char state = 'R'; state != 'S'; ::usleep(1000)) {
    state = testing::thread_state(child);
    REQUIRE(state != '\0');
  }
}

void wait_for_woken(const SharedPage& shared, std::uint32_t count) {
  while (shared->woken.load() < count) ::usleep(1000);
}

void reap(pid_t child) {
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

std::chrono::nanoseconds duration_of_wait(const SharedPage& shared, std::uint32_t expected,
                                          std::uint64_t timeout) {
  const auto start = std::chrono::steady_clock::now();
  futex_wait(shared->word, expected, timeout);
  return std::chrono::steady_clock::now() - start;
}

TEST_CASE("a sleeper in another process is woken") {
  SharedPage shared;
  const pid_t child = start_sleeper(shared);
  wait_until_asleep(child);
  // The word keeps its value: nothing but the wake-up ends this sleep.
  futex_wake(shared->word);
  wait_for_woken(shared, 1);
  reap(child);
}

TEST_CASE("no more sleepers are woken than asked for, and all without a count") {
  SharedPage shared;
  pid_t children[3];
  for (pid_t& child : children) child = start_sleeper(shared);
  for (const pid_t child : children) wait_until_asleep(child);
  futex_wake(shared->word, 1);
  wait_for_woken(shared, 1);
  ::usleep(50'000);  // time for another one to be woken by mistake
  CHECK(shared->woken.load() == 1);
  futex_wake(shared->word);
  wait_for_woken(shared, 3);
  for (const pid_t child : children) reap(child);
}

TEST_CASE("a sleeper on two words is woken by either, and by neither's neighbour") {
  REQUIRE(can_wait_for_two());
  for (const bool second : {false, true}) {
    SharedPage shared;
    std::atomic<std::uint32_t>& other = shared->other;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::alarm(kWatchdogSeconds);
      futex_wait_for_either({shared->word, 0}, {other, 0}, UINT64_MAX);
      shared->woken.fetch_add(1);
      ::_exit(0);
    }
    wait_until_asleep(child);
    futex_wake(shared->woken);  // nobody sleeps there
    CHECK(shared->woken.load() == 0);
    futex_wake(second ? other : shared->word);
    wait_for_woken(shared, 1);
    reap(child);
  }
}

TEST_CASE(
    "neither of two words is slept on if one holds something else, nor for longer than said") {
  SharedPage shared;
  shared->word = 1;
  futex_wait_for_either({shared->word, 0}, {shared->other, 0}, UINT64_MAX);
  futex_wait_for_either({shared->other, 0}, {shared->word, 0}, UINT64_MAX);
  const auto start = std::chrono::steady_clock::now();
  errno = EDOM;
  futex_wait_for_either({shared->word, 1}, {shared->other, 0}, 1020 * kMillisecond);
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(1020));
  CHECK(errno == EDOM);
}

TEST_CASE("a word that holds something else is not slept on") {
  SharedPage shared;  // its watchdog ends a sleep
  shared->word = 1;
  futex_wait(shared->word, 0, UINT64_MAX);
  futex_wait(shared->word, 2, UINT64_MAX);
}

TEST_CASE("a sleep ends when its time has passed, and not before") {
  SharedPage shared;
  CHECK(duration_of_wait(shared, 0, 20 * kMillisecond) >= std::chrono::milliseconds(20));
  // More than a second: both fields of the kernel's time are used.
  CHECK(duration_of_wait(shared, 0, 1020 * kMillisecond) >= std::chrono::milliseconds(1020));
  futex_wait(shared->word, 0, 0);
}

TEST_CASE("errno is left unchanged") {
  SharedPage shared;
  errno = EDOM;
  futex_wait(shared->word, 0, kMillisecond);  // ETIMEDOUT
  CHECK(errno == EDOM);
  futex_wait(shared->word, 1, kMillisecond);  // EAGAIN
  CHECK(errno == EDOM);
  void* nothing = ::mmap(nullptr, sizeof(Shared), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(nothing != MAP_FAILED);
  errno = EDOM;
  futex_wake(static_cast<Shared*>(nothing)->word);  // EFAULT
  CHECK(errno == EDOM);
  ::munmap(nothing, sizeof(Shared));
}

}  // namespace
}  // namespace vmmc::platform
