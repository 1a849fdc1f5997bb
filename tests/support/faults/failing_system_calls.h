// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Makes the n-th system call of this process fail, to see what the code under test does then.
//
//   for (unsigned n = 1;; ++n) {
//     FailingSystemCalls faults(n, ENOMEM);
//     ...                                  // must neither crash nor leak, whichever call fails
//     if (faults.failed_call() == nullptr) break;  // fewer than n calls: all have had their turn
//   }
//
// Counts only the calls made through platform::system_calls(), all together, from construction on.
// The failing call is not carried out. Destruction puts the real calls back.
//
// Threads: one object at a time in a process; made and destroyed while no other thread is in the
// code under test. Counting is safe from any thread; a forked child goes on with a copy of its own.
#pragma once

namespace vmmc::tests {

class FailingSystemCalls {
 public:
  // Counts, nothing fails.
  FailingSystemCalls();
  // The n-th call (from 1) fails with this errno; the others work.
  FailingSystemCalls(unsigned n, int error);
  ~FailingSystemCalls();
  FailingSystemCalls(const FailingSystemCalls&) = delete;
  FailingSystemCalls& operator=(const FailingSystemCalls&) = delete;

  unsigned calls() const;           // made so far
  const char* failed_call() const;  // its name in SystemCalls; nullptr: none has failed yet
};

}  // namespace vmmc::tests
