// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What /proc tells about a process: tests compare it before and after a fault.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>

namespace vmmc::testing {

// AddressSanitizer keeps freed memory and has mappings of its own: no exact numbers then.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

inline std::string proc_path(pid_t pid, const char* file) {
  return "/proc/" + (pid == 0 ? "self" : std::to_string(pid)) + "/" + file;
}

// Open descriptors of a process (0: of this one, and then with the one that reads them).
inline std::size_t count_descriptors(pid_t pid) {
  std::error_code gone;
  const std::filesystem::directory_iterator descriptors(proc_path(pid, "fd"), gone);
  return gone ? 0 : static_cast<std::size_t>(std::distance(begin(descriptors), end(descriptors)));
}

// Looks for a while until it is so. False: it stays otherwise.
inline bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    ::usleep(10'000);
  }
  return false;
}

// The open descriptors of a process that has come to rest, such as a nicsim that has just started.
inline std::size_t settled_descriptors(pid_t pid) {
  std::size_t count = count_descriptors(pid);
  for (int same = 0; same < 10; ++same) {
    ::usleep(5'000);
    const std::size_t again = count_descriptors(pid);
    if (again != std::exchange(count, again)) same = 0;
  }
  return count;
}

// A number of /proc/PID/status, for example "VmSize:" or "RssShmem:", in KiB.
inline std::size_t kibibytes(pid_t pid, const std::string& name) {
  std::ifstream file(proc_path(pid, "status"));
  std::string word;
  std::size_t number = 0;
  while (file >> word) {
    if (word == name && file >> number) return number;
  }
  return 0;
}

inline std::size_t count_mappings() {
  std::ifstream file("/proc/self/maps");
  return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(file), {}, '\n'));
}

// How many processes have this word on their command line. Ended ones have none.
inline std::size_t count_processes_with(const std::string& word) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    std::ostringstream words;
    words << file.rdbuf();
    if (words.str().find(word) != std::string::npos) ++count;
  }
  return count;
}

}  // namespace vmmc::testing
