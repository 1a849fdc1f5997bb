// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace vmmc::lab {
namespace {

using platform::FileDescriptor;

bool make_pipe(FileDescriptor& to_read, FileDescriptor& to_write) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  to_read.reset(ends[0]);
  to_write.reset(ends[1]);
  return true;
}

std::vector<std::string> merged_environment(const std::vector<std::string>& changes) {
  std::vector<std::string> all = changes;
  for (char** one = environ; *one != nullptr; ++one) {
    const std::string text = *one;
    const std::string name = text.substr(0, text.find('=') + 1);
    bool changed = false;
    for (const std::string& change : changes) changed |= change.compare(0, name.size(), name) == 0;
    if (!changed) all.push_back(text);
  }
  return all;
}

// Of the system call close_range: Linux 5.11.
constexpr unsigned kCloseOnExec = 4;

// After the fork: system calls only.
[[noreturn]] void become(const char* program, char* const* environment, int input, int output,
                         int problem, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGPIPE, SIGXFSZ, SIGCHLD, SIGINT, SIGTERM}) ::signal(signal, SIG_DFL);
  char* const arguments[] = {const_cast<char*>(program), nullptr};
  // Ours close themselves; this is for those that somebody else has left open in nicsim.
  ::syscall(SYS_close_range, 3U, ~0U, kCloseOnExec);
  // The parent may have died before prctl.
  if (::getppid() == parent && ::dup2(input, 0) == 0 && ::dup2(output, 1) == 1) {
    ::execve(program, arguments, environment);
  }
  const int number = errno;
  (void)!::write(problem, &number, sizeof(number));
  ::_exit(127);
}

std::string sentence(const std::string& program, int number) {
  return "cannot start " + program + ": " + std::strerror(number);
}

}  // namespace

std::variant<Child, std::string> spawn(const std::string& program,
                                       const std::vector<std::string>& environment) {
  Child child;
  FileDescriptor its_input, its_output, problem, its_problem;
  if (!make_pipe(its_input, child.input) || !make_pipe(child.output, its_output) ||
      !make_pipe(problem, its_problem)) {
    return sentence(program, errno);
  }
  std::vector<std::string> texts = merged_environment(environment);
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  const pid_t parent = ::getpid();
  child.pid = ::fork();
  if (child.pid < 0) return sentence(program, errno);
  if (child.pid == 0) {
    become(program.c_str(), pointers.data(), its_input.get(), its_output.get(), its_problem.get(),
           parent);
  }
  ::setpgid(child.pid, child.pid);  // whoever of the two comes first
  its_problem.reset();
  // Ends when the program has been started.
  int number = 0;
  if (::read(problem.get(), &number, sizeof(number)) != 0) {
    ::waitpid(child.pid, nullptr, 0);
    return sentence(program, number);
  }
  child.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  if (child.pidfd.valid()) {
    ::fcntl(child.pidfd.get(), F_SETFD, FD_CLOEXEC);
    return child;
  }
  const int why = errno;
  ::kill(-child.pid, SIGKILL);
  ::waitpid(child.pid, nullptr, 0);
  return sentence(program, why);
}

}  // namespace vmmc::lab
