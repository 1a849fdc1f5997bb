// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/scale/usage.h"

#include <filesystem>
#include <fstream>
#include <string>

namespace vmmc::bench {
namespace {

std::string place(pid_t process, const char* what) {
  return "/proc/" + std::to_string(process) + "/" + what;
}

// The sum of the numbers behind `name` in a file of lines "Name:  number kB", in bytes.
std::uint64_t kibibytes(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(name + ":", 0) == 0) return std::stoull(line.substr(name.size() + 1)) * 1024;
  }
  return 0;
}

std::uint64_t entries(const std::string& folder) {
  std::error_code ignored;
  std::uint64_t count = 0;
  for (auto at = std::filesystem::directory_iterator(folder, ignored);
       at != std::filesystem::directory_iterator(); at.increment(ignored)) {
    ++count;
  }
  return count;
}

}  // namespace

Memory memory_of(pid_t process) {
  const std::string rollup = place(process, "smaps_rollup");
  return {.resident = kibibytes(rollup, "Rss"),
          .anonymous = kibibytes(rollup, "Anonymous"),
          .share = kibibytes(rollup, "Pss"),
          .page_tables = kibibytes(place(process, "status"), "VmPTE")};
}

Memory memory_of(std::span<const pid_t> processes) {
  Memory sum;
  for (const pid_t process : processes) {
    const Memory one = memory_of(process);
    sum.resident += one.resident;
    sum.anonymous += one.anonymous;
    sum.share += one.share;
    sum.page_tables += one.page_tables;
  }
  return sum;
}

std::uint64_t shared_memory_of_host() { return kibibytes("/proc/meminfo", "Shmem"); }

std::uint64_t cpu_time_of(pid_t process) {
  std::uint64_t sum = 0;
  std::error_code ignored;
  for (auto thread = std::filesystem::directory_iterator(place(process, "task"), ignored);
       thread != std::filesystem::directory_iterator(); thread.increment(ignored)) {
    std::uint64_t ran = 0;
    std::ifstream(thread->path() / "schedstat") >> ran;
    sum += ran;
  }
  return sum;
}

std::uint64_t cpu_time_of(std::span<const pid_t> processes) {
  std::uint64_t sum = 0;
  for (const pid_t process : processes) sum += cpu_time_of(process);
  return sum;
}

std::uint64_t mappings_of(pid_t process) {
  std::ifstream file(place(process, "maps"));
  std::uint64_t lines = 0;
  std::string line;
  while (std::getline(file, line)) ++lines;
  return lines;
}

std::uint64_t descriptors_of(pid_t process) { return entries(place(process, "fd")); }

}  // namespace vmmc::bench
