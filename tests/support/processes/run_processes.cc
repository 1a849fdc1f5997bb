// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tests/support/processes/run_processes.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include "vmmc/vmmc.h"

namespace vmmc::testing {
namespace {

constexpr unsigned kWatchdogSeconds = 60;

[[noreturn]] void run_part(const std::function<void(Part&)>& body, std::uint32_t number,
                           std::size_t count, const std::string& socket, Shared& shared) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::alarm(kWatchdogSeconds);
  ::setenv("VMMC_SOCKET", socket.c_str(), 1);
  ::setenv("VMMC_RANK", std::to_string(number).c_str(), 1);
  ::setenv("VMMC_PROCESS", std::to_string(number).c_str(), 1);
  ::setenv("VMMC_SIZE", std::to_string(count).c_str(), 1);
  ::setenv("VMMC_NODE", std::to_string(number % 4).c_str(), 1);
  Part part(number, shared);
  try {
    body(part);
  } catch (const std::exception& error) {
    fail_part(__FILE__, __LINE__, error.what());
  }
  std::fflush(nullptr);
  ::_exit(0);  // not exit: the parent's test framework must not run its end in the child
}

std::string describe(int status) {
  if (WIFSIGNALED(status)) return "killed by signal " + std::to_string(WTERMSIG(status));
  return "ended with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

void fail_part(const char* file, int line, const std::string& what) {
  std::fprintf(stderr, "%s:%d: EXPECT(%s) failed; last error: %s\n", file, line, what.c_str(),
               vmmc_last_error());
  std::fflush(nullptr);
  ::_exit(99);
}

void Part::meet() {
  const std::uint32_t held = shared_.meetings.load();
  shared_.arrived.fetch_add(1);
  while (shared_.meetings.load() == held) {
    std::uint32_t everybody = shared_.present.load();
    if (shared_.arrived.compare_exchange_strong(everybody, 0)) {
      shared_.meetings.fetch_add(1);
      return;
    }
    let_time_pass();
  }
}

void keep_looking() {
  constexpr std::uint64_t kNanoseconds = 1000;
  if (vmmc_time_is_simulated() == 1) (void)vmmc_compute(kNanoseconds);
}

void let_time_pass() {
  constexpr unsigned kMicroseconds = 100;
  if (vmmc_time_is_simulated() == 1) (void)vmmc_compute(std::uint64_t{kMicroseconds} * 1000);
  ::usleep(kMicroseconds);
}

void Part::leave() {
  shared_.dies_on_purpose[number_].store(1);
  shared_.present.fetch_sub(1);
}

void Part::die() {
  leave();
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

void Part::expect_to_be_killed() { leave(); }

void run_processes(const std::string& socket, std::vector<std::function<void(Part&)>> parts) {
  REQUIRE(parts.size() <= kMaxParts);
  void* memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  Shared& shared = *new (memory) Shared{};
  shared.present.store(static_cast<std::uint32_t>(parts.size()));
  std::fflush(nullptr);
  std::vector<pid_t> children;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      run_part(parts[i], static_cast<std::uint32_t>(i), parts.size(), socket, shared);
    }
    children.push_back(child);
  }
  std::size_t running = children.size();
  bool failed = false;
  while (running > 0) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (children[i] != ended) continue;
      --running;
      children[i] = -1;
      const bool on_purpose = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
                              shared.dies_on_purpose[i].load() == 1;
      if (status == 0 || on_purpose || failed) continue;
      failed = true;
      FAIL_CHECK("part " << i << " " << describe(status));
      for (const pid_t other : children) {
        if (other > 0) ::kill(other, SIGKILL);
      }
    }
    if (ended < 0) break;
  }
  ::munmap(memory, sizeof(Shared));
}

void run_processes(const NicsimProcess& nicsim, std::vector<std::function<void(Part&)>> parts) {
  run_processes(nicsim.socket(), std::move(parts));
}

}  // namespace vmmc::testing
