// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The library's one handler of SIGSEGV. Makes threads wait that store to pages which are
// write-protected for a moment because they are being replaced; and gives stores to pages that are
// watched (vmmc/internal/automatic/trap/trap_capture.h) to those who capture them.
//
// A store to such a page raises SIGSEGV in the storing thread. The guard's handler lets that thread
// sleep until the pages have been replaced, and then returns, so that the store is made again. All
// other faults go to the handler that was there before, or end the process as if there were no
// guard: by SIGSEGV at the faulting instruction.
//
// How a fault is known to be ours, without a race
//   A thread may fault while the pages are protected and reach the handler long after. So the
//   handler does not ask only whether pages are guarded now: for an address that ever was guarded,
//   it tries whether the page can be written (the kernel adds 0 to the word there, atomically). If
//   it can, the fault is over and the store is made again. If not, and no guarding began or ended
//   meanwhile, the fault is the program's own.
//
// Threads and processes
//   GuardedPages: one at a time (page_adoption has the lock). The other functions: any. The handler runs in any thread and is async-signal-safe. A thread that has blocked SIGSEGV and
//   stores to guarded pages is killed by the kernel, and the process with it.
//
// What a crash at any instruction leaves behind: nothing.
#pragma once

#include <signal.h>

#include <optional>

#include "platform/result.h"
#include "vmmc/internal/memory/page_range.h"

namespace vmmc::internal {

// Puts the guard's handler in force, in front of the present one, unless it is already. A program
// may install its own handler on top later: the next call goes in front of that one, too. Fails if
// sigaction does, and with EBUSY if the program has changed its handler too often (8 different
// ones).
std::optional<platform::SystemError> install_fault_guard();

// From construction to destruction, threads that fault in `pages` wait. The constructing thread
// must not store there, nor to memory that may lie there: its own signals are held back meanwhile.
// REQUIRES: install_fault_guard() has succeeded; no other GuardedPages exists.
class GuardedPages {
 public:
  explicit GuardedPages(PageRange pages);
  ~GuardedPages();
  GuardedPages(const GuardedPages&) = delete;
  GuardedPages& operator=(const GuardedPages&) = delete;

 private:
  sigset_t signals_before_;
};

// Captures stores to protected pages: true if it has made the store and moved the thread on, false
// if it has done nothing. Called in the handler, with the handler's arguments, for every SIGSEGV;
// async-signal-safe.
using StoreCapture = bool (*)(const siginfo_t* info, void* context);

// Asks `capture` about every fault first. There is one, for good.
void capture_stores_with(StoreCapture capture);

// To be called before somebody else, who captures the stores to them, write-protects `pages`: a
// fault there may reach the handler after its pages have become writable again and are not captured
// any more; such a store is made again.
void expect_late_faults(PageRange pages);

// Whether stores to some of these addresses may be captured. True for more than those that were ever
// expected: for all between them. Lock-free and async-signal-safe.
bool may_be_captured(PageRange addresses);

}  // namespace vmmc::internal
