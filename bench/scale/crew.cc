// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/scale/crew.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace vmmc::bench {
namespace {

std::string random_socket() {
  std::uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != sizeof random) std::abort();
  char name[40];
  std::snprintf(name, sizeof name, "@vmmc-scale-%016llx", static_cast<unsigned long long>(random));
  return name;
}

// The program's processes die with it. What a process of the crew fails with, the program ends with.
std::vector<pid_t>* watched = nullptr;

void on_end_of_child(int) {
  int status = 0;
  for (const pid_t child : *watched) {
    if (::waitpid(child, &status, WNOHANG) != child || status == 0) continue;
    static const char kText[] = "a process has failed\n";
    (void)!::write(STDERR_FILENO, kText, sizeof kText - 1);
    ::_exit(1);
  }
}

}  // namespace

void fail(const char* what, const char* why) {
  std::fprintf(stderr, "%s: %s\n", what, why);
  std::_Exit(1);
}

Gate::Gate() : counter_(::eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC)) {
  if (counter_ < 0) fail("eventfd", std::strerror(errno));
}
Gate::~Gate() { ::close(counter_); }

void Gate::open(std::uint64_t times) {
  if (times > 0 && ::write(counter_, &times, sizeof times) != sizeof times) {
    fail("eventfd", std::strerror(errno));
  }
}

void Gate::pass(std::uint64_t times) {
  std::uint64_t one = 0;
  while (times > 0) {
    if (::read(counter_, &one, sizeof one) == sizeof one) {
      --times;
    } else if (errno != EINTR) {
      fail("eventfd", std::strerror(errno));
    }
  }
}

Crew::Crew() : socket_(random_socket()) {
  std::fflush(stdout);
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) fail("pipe", std::strerror(errno));
  const char* program = std::getenv("VMMC_NICSIM");
  if (program == nullptr) program = "nicsim";
  nicsim_ = ::fork();
  if (nicsim_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::fcntl(ready[1], F_SETFD, 0);
    ::execlp(program, program, "--socket", socket_.c_str(), "--nodes", "4", "--foreground",
             "--ready-fd", std::to_string(ready[1]).c_str(), nullptr);
    fail(program, std::strerror(errno));
  }
  ::close(ready[1]);
  char byte = 0;
  const bool is_ready = ::read(ready[0], &byte, 1) == 1;
  ::close(ready[0]);
  if (!is_ready) fail("nicsim did not start", "set VMMC_NICSIM to its path");
  ::setenv("VMMC_SOCKET", socket_.c_str(), 1);
  watched = &processes_;
  processes_.reserve(4096);  // the handler reads it
  std::signal(SIGCHLD, on_end_of_child);
}

Crew::~Crew() {
  std::signal(SIGCHLD, SIG_DFL);
  processes_.push_back(nicsim_);
  for (const pid_t child : processes_) ::kill(child, SIGKILL);
  for (const pid_t child : processes_) ::waitpid(child, nullptr, 0);
}

void Crew::add(const std::function<void(std::uint32_t)>& work) {
  const auto number = static_cast<std::uint32_t>(processes_.size());
  sigset_t ended;
  ::sigemptyset(&ended);
  ::sigaddset(&ended, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &ended, nullptr);
  const pid_t child = ::fork();
  if (child < 0) fail("fork", std::strerror(errno));
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::signal(SIGCHLD, SIG_DFL);
    ::sigprocmask(SIG_UNBLOCK, &ended, nullptr);
    work(number);
    std::_Exit(0);
  }
  processes_.push_back(child);
  ::sigprocmask(SIG_UNBLOCK, &ended, nullptr);
}

void Crew::join() {
  std::signal(SIGCHLD, SIG_DFL);
  for (const pid_t child : processes_) {
    int status = 0;
    const pid_t ended = ::waitpid(child, &status, 0);  // ECHILD: it has been seen to end well
    if (ended == child && status != 0) fail("a process", "has failed");
  }
  processes_.clear();
}

attachment attach_as(std::uint32_t number) {
  vmmc_init_options options = init_defaults;
  options.node = Crew::identity_of(number).node;
  options.process = number;
  options.never_start = 1;
  return must(attachment::attach(options), "vmmc_init");
}

}  // namespace vmmc::bench
