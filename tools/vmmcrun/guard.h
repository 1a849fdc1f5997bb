// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// vmmcrun is two processes: the guard, which the user started and signals, and its child the
// keeper, which starts the ranks and runs the job.
//
// Threads and processes
//   The guard passes every signal that concerns the job on to the keeper through a socket, and ends
//   with the keeper's exit code. A signal that vmmcrun was started with ignored (nohup) stays
//   ignored. The keeper is in a process group of its own, so a signal from the terminal reaches it
//   only this way.
// Invariants
//   Both are child subreapers: every process that the job ever starts stays below the keeper, and
//   if that dies, below the guard.
// What a crash at any instruction leaves behind
//   If the guard dies, its socket hangs up, and the keeper kills and reaps everybody below it and
//   ends. If the keeper dies, the guard does the same. If both die in the same moment, the kernel
//   kills the ranks and nicsim, their direct children, but not processes that ranks have started.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <functional>

namespace vmmc::run {

// From the guard to the keeper.
struct GuardMessage {
  int signal;
  int from_terminal;  // 1: the terminal has sent it to the guard's whole process group
};

// What the keeper gets from the guard.
struct KeeperWiring {
  int guard_socket;        // SOCK_SEQPACKET: GuardMessages; the guard's death is its end
  pid_t terminal_group;    // the guard's process group if standard input is its terminal, else 0
  sigset_t original_mask;  // the signal mask that vmmcrun was started with
};

// Runs `keeper` in a child; returns the exit code of the job. In the child all signals are blocked
// that the guard passes on, and SIGPIPE and SIGTTOU as well.
int run_guarded(const std::function<int(const KeeperWiring&)>& keeper);

}  // namespace vmmc::run
