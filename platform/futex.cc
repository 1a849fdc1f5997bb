// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace vmmc::platform {

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
