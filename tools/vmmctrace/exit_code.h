// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The exit codes of vmmctrace; README.md explains them to users.
#pragma once

#include <string>

namespace vmmc::trace_tool {

inline constexpr int kExitUsage = 2;         // the command line is wrong
inline constexpr int kExitUnreadable = 3;    // the system does not let us read the input
inline constexpr int kExitNoTrace = 4;       // the input is something else
inline constexpr int kExitRecording = 5;     // the input is a recording of nicsim
inline constexpr int kExitVersion = 6;       // a trace of another version of the format
inline constexpr int kExitCutOff = 7;        // records that the header speaks of are not there
inline constexpr int kExitDamaged = 8;       // the header makes no sense
inline constexpr int kExitOutputExists = 9;  // and is not empty, or is the input
inline constexpr int kExitUnwritable = 10;   // the system does not let us write the output

// Why vmmctrace ends.
struct Failure {
  int exit_code;
  std::string what;  // one line for the user, without its end
};

}  // namespace vmmc::trace_tool
