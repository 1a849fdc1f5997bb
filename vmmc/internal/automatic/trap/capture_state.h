// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the handler of trap capture and those who watch and unwatch share: the table in force, and
// the lock under which a store is made and reported.
//
// Threads: `table` is read and replaced under `lock`, with all asynchronous signals blocked: a
// handler that ran meanwhile and stored to watched pages would wait for its own thread.
#pragma once

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "vmmc/internal/automatic/trap/watch_table.h"
#include "vmmc/internal/owned_spin_lock.h"

namespace vmmc::internal {

struct CaptureState {
  OwnedSpinLock lock;
  std::atomic<const WatchTable*> table{nullptr};  // null: nothing was ever watched
  // The bounds of everything that was ever watched. They only widen.
  std::atomic<std::uintptr_t> lowest{UINTPTR_MAX};
  std::atomic<std::uintptr_t> highest{0};
};

// Blocks all signals but those of instructions that went wrong; the C library's own ones, too, one
// of which ends the thread. SIGTRAP is blocked, because the handler of trap capture may owe one to
// the program.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    KernelMask mask = ~KernelMask{0};
    for (int by_instruction : {SIGSEGV, SIGBUS, SIGFPE, SIGILL})
      mask &= ~(KernelMask{1} << (by_instruction - 1));
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &before_, sizeof mask);
  }
  ~SignalsBlocked() {
    if (restores_) ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, sizeof before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  // The end of the signal handler will put the mask back, at no cost.
  void leave_to_end_of_handler() { restores_ = false; }

 private:
  using KernelMask = std::uint64_t;

  KernelMask before_ = 0;
  bool restores_ = true;
};

}  // namespace vmmc::internal
