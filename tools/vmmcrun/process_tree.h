// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The processes below a process, as /proc shows them.
//
// A process that is a child subreaper (PR_SET_CHILD_SUBREAPER) keeps every process below it: one
// whose parent dies becomes its child, even if it has changed its process group or session. So a
// subreaper without children has nobody below it, and wait(2) is the proof.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <vector>

namespace vmmc::run {

struct Descendant {
  pid_t process;
  pid_t parent;
  bool zombie;
};

// Everybody below `root` at some moment of the call. One that is being forked meanwhile may be
// missed: look again.
std::vector<Descendant> descendants(pid_t root);

// For a child subreaper: kills (SIGKILL) and reaps everybody below the calling process, until
// nobody is left or `patience` has passed (the kernel may hold a process that waits for a device).
// True if nobody is left.
bool kill_and_reap_descendants(std::chrono::milliseconds patience);

}  // namespace vmmc::run
