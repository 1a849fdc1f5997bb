// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Starts one child process that cannot outlive its parent.
//
// What a crash at any instruction leaves behind
//   The child asks the kernel to kill it when the parent dies (PR_SET_PDEATHSIG) and then looks
//   whether the parent is still there; so there is no instruction at which the parent can die and
//   leave the child running.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "platform/result.h"

namespace vmmc::run {

struct SpawnPlan {
  std::vector<std::string> command;      // looked up in $PATH if the first has no '/'
  std::vector<std::string> environment;  // "NAME=value", added to ours or in place of ours
  int input = -1;                        // -1: /dev/null
  int output = 1;
  int error = 2;
  int kept = -1;    // one more descriptor that stays open in the child, under its number; -1: none
  pid_t group = 0;  // process group to join; 0: a new one of its own
  sigset_t signal_mask{};  // the child's
};

// Returns when the program runs or has failed to. Errors: "fork", "pipe2", or "execve" with the
// reason. The calling thread must be the one that stays for as long as the child shall live.
platform::Result<pid_t> spawn(const SpawnPlan& plan);

}  // namespace vmmc::run
