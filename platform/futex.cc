// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace vmmc::platform {
namespace {

// Older C libraries' headers do not know the call.
#if !defined(SYS_futex_waitv)
constexpr long SYS_futex_waitv = 449;
#endif

// The kernel's struct futex_waitv and its flag for a 32-bit word that processes share.
struct WaitedWord {
  std::uint64_t expected;
  std::uint64_t address;
  std::uint32_t flags;
  std::uint32_t reserved;
};
constexpr std::uint32_t kShared32Bits = 2;

WaitedWord waited(const FutexWord& word) {
  return {word.expected, reinterpret_cast<std::uintptr_t>(&word.word), kShared32Bits, 0};
}

// This call wants the time at which to give up.
timespec deadline_in(std::uint64_t timeout) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::uint64_t nanoseconds =
      static_cast<std::uint64_t>(now.tv_nsec) + timeout % 1'000'000'000;
  now.tv_sec += static_cast<time_t>(timeout / 1'000'000'000 + nanoseconds / 1'000'000'000);
  now.tv_nsec = static_cast<long>(nanoseconds % 1'000'000'000);
  return now;
}

}  // namespace

bool can_wait_for_two() {
  const int saved = errno;
  const bool known = ::syscall(SYS_futex_waitv, nullptr, 0, 0, nullptr, 0) < 0 && errno == EINVAL;
  errno = saved;
  return known;
}

void futex_wait_for_either(FutexWord first, FutexWord second, std::uint64_t timeout) {
  const int saved = errno;
  const WaitedWord words[] = {waited(first), waited(second)};
  const bool limited = timeout != UINT64_MAX;
  const timespec deadline = limited ? deadline_in(timeout) : timespec{};
  ::syscall(SYS_futex_waitv, words, 2, 0, limited ? &deadline : nullptr, CLOCK_MONOTONIC);
  errno = saved;
}

void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::uint64_t timeout) {
  const int saved = errno;
  timespec relative{};
  relative.tv_sec = static_cast<time_t>(timeout / 1'000'000'000);
  relative.tv_nsec = static_cast<long>(timeout % 1'000'000'000);
  ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, timeout == UINT64_MAX ? nullptr : &relative,
            nullptr, 0);
  errno = saved;
}

void futex_wake(const std::atomic<std::uint32_t>& word, int count) {
  const int saved = errno;
  ::syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0);
  errno = saved;
}

}  // namespace vmmc::platform
