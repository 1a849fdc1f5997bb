// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/support/scheduling.h"

#include <sched.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "bench/support/placement.h"

namespace vmmc::bench {
namespace {

// Calls `each` with every thread of the process; true if it was true for all, and there was one.
template <typename Each>
bool for_threads(pid_t process, Each each) {
  const std::string owner = process == 0 ? "self" : std::to_string(process);
  std::error_code gone;
  bool all = true;
  int threads = 0;
  for (auto at = std::filesystem::directory_iterator("/proc/" + owner + "/task", gone);
       at != std::filesystem::directory_iterator(); at.increment(gone)) {
    all = each(static_cast<pid_t>(std::stol(at->path().filename().string())), at->path()) && all;
    ++threads;
  }
  return all && threads > 0;
}

bool set_policy(pid_t process, int policy, int priority) {
  return for_threads(process, [&](pid_t thread, const std::filesystem::path&) {
    sched_param parameter{};
    parameter.sched_priority = priority;
    return ::sched_setscheduler(thread, policy, &parameter) == 0;
  });
}

}  // namespace

bool schedule_fifo(pid_t process, int priority) {
  return set_policy(process, SCHED_FIFO, priority);
}

bool schedule_normally(pid_t process) { return set_policy(process, SCHED_OTHER, 0); }

bool bind_process(pid_t process, std::span<const int> cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(static_cast<unsigned>(core), &set);
  return for_threads(process, [&](pid_t thread, const std::filesystem::path&) {
    return ::sched_setaffinity(thread, sizeof set, &set) == 0;
  });
}

bool bind_process(pid_t process, int core) {
  return core == kAnywhere || bind_process(process, {&core, 1});
}

std::uint64_t processor_time(pid_t process) {
  std::uint64_t sum = 0;
  for_threads(process, [&](pid_t, const std::filesystem::path& folder) {
    std::ifstream file(folder / "schedstat");
    std::uint64_t time = 0;
    file >> time;
    sum += time;
    return true;
  });
  return sum;
}

}  // namespace vmmc::bench
