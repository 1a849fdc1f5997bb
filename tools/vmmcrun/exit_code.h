// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The exit codes of vmmcrun that are its own; README.md explains them to users.
#pragma once

#include <string>

namespace vmmc::run {

inline constexpr int kExitUsage = 2;            // the command line is wrong
inline constexpr int kExitFailure = 125;        // vmmcrun or nicsim failed, not a rank
inline constexpr int kExitNotExecutable = 126;  // the program cannot be run
inline constexpr int kExitNotFound = 127;       // there is no such program
inline constexpr int kExitSignal = 128;         // plus the number of the signal that killed a rank

// Why a job ends before all its ranks have ended with 0.
struct Failure {
  int exit_code;
  std::string what;  // one line for the user, without its end
};

}  // namespace vmmc::run
