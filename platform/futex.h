// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Sleeping on a word of memory that several processes share (the kernel's futex, shared form:
// std::atomic::wait is private to one process and would sleep for ever).
#pragma once

#include <atomic>
#include <climits>
#include <cstdint>

namespace vmmc::platform {

// Sleeps while the word holds `expected`, until woken or until `timeout` ns have passed
// (UINT64_MAX: no limit). May return early for no reason: the caller looks again. Leaves errno
// unchanged. Async-signal-safe.
void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::uint64_t timeout);

// A word to sleep on, and what it holds while one may sleep.
struct FutexWord {
  const std::atomic<std::uint32_t>& word;
  std::uint32_t expected;
};

// As futex_wait() on both words at once: sleeps until either is woken or changes.
// REQUIRES: can_wait_for_two().
void futex_wait_for_either(FutexWord first, FutexWord second, std::uint64_t timeout);

// Whether this kernel can do that (Linux 5.16). Asks it.
bool can_wait_for_two();

// Wakes up to `count` sleepers. Leaves errno unchanged. Async-signal-safe.
void futex_wake(const std::atomic<std::uint32_t>& word, int count = INT_MAX);

}  // namespace vmmc::platform
