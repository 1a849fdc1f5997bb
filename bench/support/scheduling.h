// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How a process is scheduled, and what it has used. All functions concern every thread that the
// process has at the moment; 0 is the calling process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>

namespace vmmc::bench {

// False: not permitted (or the process has gone), and nothing is said of which threads got it.
bool schedule_fifo(pid_t process, int priority);
bool schedule_normally(pid_t process);
bool bind_process(pid_t process, std::span<const int> cores);
bool bind_process(pid_t process, int core);  // kAnywhere: stays as it is

// ns of a core's time that its threads have used, from /proc/PID/task/*/schedstat: in user and
// kernel mode, with the interrupts that came while they ran. 0 where the kernel does not say.
std::uint64_t processor_time(pid_t process);

}  // namespace vmmc::bench
