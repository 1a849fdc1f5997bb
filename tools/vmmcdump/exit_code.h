// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The exit codes of vmmcdump; README.md explains them to users.
#pragma once

#include <string>

namespace vmmc::dump {

inline constexpr int kExitFailure = 1;       // the system refused something
inline constexpr int kExitUsage = 2;         // the command line is wrong
inline constexpr int kExitNoNicsim = 3;      // none could be reached
inline constexpr int kExitFilter = 4;        // libpcap does not understand the filter
inline constexpr int kExitNoSource = 5;      // no such file, interface, node or ring
inline constexpr int kExitNotPermitted = 6;  // the source may not be read by this user
inline constexpr int kExitNotACapture = 7;   // the file is neither pcap nor pcapng
inline constexpr int kExitBrokenCapture =
    8;  // the file is cut off, or makes no sense from some place on
inline constexpr int kExitSourceGone = 9;     // in mid-capture: the interface, or nicsim
inline constexpr int kExitOutputExists = 10;  // and holds something, or is what is read
inline constexpr int kExitUnwritable = 11;    // the output could not be written

// Why vmmcdump ends.
struct Failure {
  int exit_code;
  std::string what;  // one sentence for the user, without "vmmcdump: " and its end of line
};

}  // namespace vmmc::dump
