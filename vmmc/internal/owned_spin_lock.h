// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A spin lock private to the process whose word names its owner, so that a signal handler sees
// whether it interrupted the owner (and waiting would be for ever).
//
// Threads: any; async-signal-safe. Held for some tens of instructions and one system call at most.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>

#include "platform/adaptive_wait.h"

namespace vmmc::internal {

class OwnedSpinLock {
 public:
  // False if the calling thread holds the lock already.
  [[nodiscard]] bool lock() {
    const std::uintptr_t me = this_thread();
    for (std::uint32_t tries = 0;; ++tries) {
      std::uintptr_t owner = 0;
      if (owner_.compare_exchange_weak(owner, me, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        return true;
      }
      if (owner == me) return false;
      // The owner may have lost its core: let it run.
      if (tries < kPauses) {
        platform::pause_processor();
      } else {
        ::sched_yield();
      }
    }
  }

  enum class Attempt { kTaken, kBusy, kMine };

  // As lock(), but gives up if another thread still holds the lock after `tries` looks (>= 1).
  [[nodiscard]] Attempt try_lock(std::uint32_t tries = 1) {
    const std::uintptr_t me = this_thread();
    for (;;) {
      std::uintptr_t owner = 0;
      if (owner_.compare_exchange_strong(owner, me, std::memory_order_acquire,
                                         std::memory_order_relaxed)) {
        return Attempt::kTaken;
      }
      if (owner == me) return Attempt::kMine;
      if (--tries == 0) return Attempt::kBusy;
      platform::pause_processor();
    }
  }

  // Whether the calling thread holds the lock: below the signal handler that it is in.
  bool held() const { return owner_.load(std::memory_order_relaxed) == this_thread(); }

  void unlock() { owner_.store(0, std::memory_order_release); }

  // An address that no other living thread of the process has; unlike a thread id it costs no
  // system call.
  static std::uintptr_t this_thread() {
    [[gnu::tls_model("initial-exec")]] static thread_local char mark;
    return reinterpret_cast<std::uintptr_t>(&mark);
  }

 private:
  static constexpr std::uint32_t kPauses = 100;

  std::atomic<std::uintptr_t> owner_{0};
};

}  // namespace vmmc::internal
