// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The exit codes of vmmcstat; README.md explains them to users.
#pragma once

#include <string>

namespace vmmc::stat {

inline constexpr int kExitFailure = 1;       // the system refused something
inline constexpr int kExitUsage = 2;         // the command line is wrong
inline constexpr int kExitNoNicsim = 3;      // nobody listens at the socket
inline constexpr int kExitOtherVersion = 4;  // nicsim speaks another version of the wire format
inline constexpr int kExitOtherUser = 5;     // nicsim belongs to another user
inline constexpr int kExitTraceIsOn = 6;
inline constexpr int kExitTraceIsOff = 7;  // also: there has never been one
inline constexpr int kExitFileExists = 8;  // and holds something
inline constexpr int kExitNicsimDied = 9;  // after it was reached

// Why vmmcstat ends.
struct Failure {
  int exit_code;
  std::string what;  // one sentence for the user, without "vmmcstat: " and its end of line
};

}  // namespace vmmc::stat
