// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For tests: what a thread is at, of this process or another.
//
// Threads: any.
#pragma once

#include <sys/types.h>

#include <fstream>
#include <iterator>
#include <string>

namespace vmmc::platform::testing {

// The letter of /proc/ID/stat: 'R' runs, 'S' sleeps, ...; 0: there is no such thread.
inline char thread_state(pid_t thread) {
  std::ifstream file("/proc/" + std::to_string(thread) + "/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = stat.rfind(") ");  // the name may hold anything
  return name_end == std::string::npos ? '\0' : stat[name_end + 2];
}

inline bool is_asleep(pid_t thread) { return thread_state(thread) == 'S'; }

}  // namespace vmmc::platform::testing
