// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/support/processes.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace vmmc::bench {
namespace {

std::string random_socket() {
  std::uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != sizeof random) fail_by_errno("getrandom");
  char name[40];
  std::snprintf(name, sizeof name, "@vmmc-bench-%016llx", static_cast<unsigned long long>(random));
  return name;
}

}  // namespace

void fail(const std::string& what, const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), why.c_str());
  std::_Exit(1);
}

void fail_by_errno(const std::string& what) { fail(what, std::strerror(errno)); }

Gate::Gate() : counter_(::eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC)) {
  if (counter_ < 0) fail_by_errno("eventfd");
}
Gate::~Gate() { ::close(counter_); }

void Gate::open() {
  const std::uint64_t one = 1;
  if (::write(counter_, &one, sizeof one) != sizeof one) fail_by_errno("eventfd");
}

void Gate::pass() {
  std::uint64_t one = 0;
  while (::read(counter_, &one, sizeof one) != sizeof one) {
    if (errno != EINTR) fail_by_errno("eventfd");
  }
}

bool Gate::pass_within(std::uint64_t timeout) {
  pollfd poll{counter_, POLLIN, 0};
  if (::poll(&poll, 1, static_cast<int>(timeout / 1'000'000)) != 1) return false;
  pass();
  return true;
}

pid_t start_child(int core, const std::function<void()>& work) {
  std::fflush(stdout);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) fail_by_errno("fork");
  if (child > 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) std::_Exit(1);
  if (!bind_to_core(core)) fail_by_errno("sched_setaffinity");
  work();
  std::fflush(stdout);
  std::_Exit(0);
}

void join_child(pid_t child, const char* who) {
  int status = 0;
  while (::waitpid(child, &status, 0) != child) {
    if (errno != EINTR) fail_by_errno("waitpid");
  }
  if (status != 0) fail(who, "has failed");
}

void kill_child(pid_t child) {
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

OwnNicsim::OwnNicsim(int core, unsigned nodes, const std::vector<std::string>& options) {
  const std::string socket = random_socket();
  const char* program = std::getenv("VMMC_NICSIM");
  if (program == nullptr) program = "nicsim";
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) fail_by_errno("pipe");
  process_ = start_child(core, [&] {
    ::fcntl(ready[1], F_SETFD, 0);
    std::vector<std::string> words{program,
                                   "--socket",
                                   socket,
                                   "--nodes",
                                   std::to_string(nodes),
                                   "--foreground",
                                   "--ready-fd",
                                   std::to_string(ready[1])};
    words.insert(words.end(), options.begin(), options.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ::execvp(program, arguments.data());
    fail_by_errno(program);
  });
  ::close(ready[1]);
  char byte = 0;
  const bool is_ready = ::read(ready[0], &byte, 1) == 1;
  ::close(ready[0]);
  if (!is_ready) fail("nicsim did not start", "set VMMC_NICSIM to its path");
  ::setenv("VMMC_SOCKET", socket.c_str(), 1);
}

OwnNicsim::~OwnNicsim() { kill_child(process_); }

}  // namespace vmmc::bench
