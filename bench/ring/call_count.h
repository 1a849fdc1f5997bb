// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Counts the system calls of a process with `strace -c -f`.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace vmmc::bench {

struct Calls {
  std::uint64_t all = 0;
  std::uint64_t yields = 0;  // of these, sched_yield: by who waits and lets others run
};

class CallCount {
 public:
  static bool available();  // strace is there, and permitted

  // Returns when all threads of the process are watched.
  explicit CallCount(pid_t process);
  ~CallCount();
  CallCount(const CallCount&) = delete;
  CallCount& operator=(const CallCount&) = delete;

  // Since then. Lets go of the process, if it has not ended.
  Calls finish();

 private:
  int report_;
  pid_t strace_;
};

}  // namespace vmmc::bench
