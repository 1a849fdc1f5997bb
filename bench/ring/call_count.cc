// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/ring/call_count.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "bench/support/processes.h"

namespace vmmc::bench {
namespace {

std::string path_of(int file) {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(file);
}

[[noreturn]] void become_strace(const std::string& process, const std::string& report) {
  ::execlp("strace", "strace", "-qq", "-f", "-c", "-U", "calls,name", "-o", report.c_str(), "-p",
           process.c_str(), nullptr);
  std::_Exit(127);
}

bool is_watched(const std::filesystem::path& thread) {
  std::ifstream file(thread / "status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("TracerPid:")) return std::stol(line.substr(10)) != 0;
  return true;  // it has ended
}

bool all_watched(pid_t process) {
  for (const auto& thread :
       std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
    if (!is_watched(thread.path())) return false;
  }
  return true;
}

}  // namespace

bool CallCount::available() {
  const pid_t target = start_child(kAnywhere, [] {
    for (;;) ::pause();
  });
  const pid_t strace =
      start_child(kAnywhere, [&] { become_strace(std::to_string(target), "/dev/null"); });
  const timespec step{0, 1'000'000};
  int status = 0;
  bool watched = false;
  while (!watched && ::waitpid(strace, &status, WNOHANG) == 0) {
    ::nanosleep(&step, nullptr);
    watched = all_watched(target);
  }
  kill_child(target);
  if (watched) ::waitpid(strace, &status, 0);
  return watched;
}

CallCount::CallCount(pid_t process)
    : report_(::memfd_create("calls", 0)),
      strace_(start_child(kAnywhere, [&, report = path_of(report_)] {
        become_strace(std::to_string(process), report);
      })) {
  const timespec step{0, 1'000'000};
  while (!all_watched(process)) {
    if (::waitpid(strace_, nullptr, WNOHANG) != 0) fail("strace", "does not run");
    ::nanosleep(&step, nullptr);
  }
}

CallCount::~CallCount() { ::close(report_); }

Calls CallCount::finish() {
  ::kill(strace_, SIGINT);
  ::waitpid(strace_, nullptr, 0);
  std::ifstream file(path_of(report_));
  Calls calls;
  for (std::string line; std::getline(file, line);) {
    if (line.ends_with(" sched_yield")) calls.yields = std::stoull(line);
    if (line.ends_with(" total")) calls.all = std::stoull(line);
  }
  return calls;
}

}  // namespace vmmc::bench
