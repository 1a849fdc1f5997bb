// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/support/launcher.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace vmmc::bench {
namespace {

constexpr int kExitCannotStart = 127;

std::string random_socket() {
  std::uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != sizeof random) std::abort();
  char name[40];
  std::snprintf(name, sizeof name, "@vmmc-bench-%016llx", static_cast<unsigned long long>(random));
  return name;
}

// Forks; the child dies with us, is bound to `core`, and becomes the program after `prepare`.
template <typename Prepare>
pid_t start(const std::vector<std::string>& arguments, int core, Prepare prepare) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) std::_Exit(kExitCannotStart);
  if (!bind_to_core(core))
    std::fprintf(stderr, "cannot bind to core %d: %s\n", core, std::strerror(errno));
  prepare();
  ::execvp(argv[0], argv.data());
  std::fprintf(stderr, "cannot run %s: %s\n", argv[0], std::strerror(errno));
  std::_Exit(kExitCannotStart);
}

// Started and ready for clients; -1, and a sentence on stderr, if it is not.
pid_t start_nicsim(const std::string& socket, int core) {
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) return -1;
  const char* program = std::getenv("VMMC_NICSIM");
  // It does not leave by itself: if it ends while a process runs, that is a failure.
  const pid_t nicsim =
      start({program != nullptr ? program : "nicsim", "--socket", socket, "--nodes", "2",
             "--foreground", "--ready-fd", std::to_string(ready[1])},
            core, [&] { ::fcntl(ready[1], F_SETFD, 0); });
  ::close(ready[1]);
  char byte = 0;
  const bool is_ready = nicsim > 0 && ::read(ready[0], &byte, 1) == 1;
  ::close(ready[0]);
  if (is_ready) return nicsim;
  std::fprintf(stderr, "nicsim did not start; set VMMC_NICSIM to its path\n");
  if (nicsim > 0) ::waitpid(nicsim, nullptr, 0);
  return -1;
}

void set_rank_environment(const std::string& socket, int rank, const std::string& placement) {
  const std::string number = std::to_string(rank);
  ::setenv("VMMC_SOCKET", socket.c_str(), 1);
  ::setenv("VMMC_RANK", number.c_str(), 1);
  ::setenv("VMMC_NODE", number.c_str(), 1);
  ::setenv("VMMC_PROCESS", number.c_str(), 1);
  ::setenv("VMMC_SIZE", "2", 1);
  ::setenv("VMMC_BENCH_PLACEMENT", placement.c_str(), 1);
}

void say_how_it_ended(const char* who, int status) {
  const bool by_signal = WIFSIGNALED(status);
  std::fprintf(stderr, "%s ended %s %d\n", who, by_signal ? "by signal" : "with status",
               by_signal ? WTERMSIG(status) : WEXITSTATUS(status));
}

// Waits for the ranks. What still runs when one has failed, or when both are done, is ended and
// reaped.
int supervise(pid_t nicsim, std::vector<pid_t> ranks) {
  int result = 0;
  while (!ranks.empty() && result == 0) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended < 0) return 1;
    std::erase(ranks, ended);
    if (ended == nicsim) {
      say_how_it_ended("nicsim", status);
      result = 1;
    } else if (status != 0) {
      say_how_it_ended("a process", status);
      result = 1;
    }
  }
  ranks.push_back(nicsim);
  for (const pid_t child : ranks) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  return result;
}

}  // namespace

bool is_rank() { return std::getenv("VMMC_RANK") != nullptr; }

std::string placement_of_this_run() {
  const char* sentence = std::getenv("VMMC_BENCH_PLACEMENT");
  return sentence != nullptr ? sentence : "none: as the program that started the processes left it";
}

int run_two_ranks(const std::vector<std::string>& arguments, Placement placement) {
  const CorePlan plan = plan_cores(placement, allowed_cores());
  const std::string socket = random_socket();
  std::fflush(stdout);
  const pid_t nicsim = start_nicsim(socket, plan.nicsim);
  if (nicsim < 0) return 1;
  std::vector<pid_t> ranks;
  for (int rank = 0; rank < 2; ++rank) {
    const pid_t child = start(arguments, plan.processes[rank], [&] {
      set_rank_environment(socket, rank, describe_plan(placement, plan));
    });
    if (child < 0) {
      std::fprintf(stderr, "fork: %s\n", std::strerror(errno));
      return 1;
    }
    ranks.push_back(child);
  }
  return supervise(nicsim, std::move(ranks));
}

}  // namespace vmmc::bench
