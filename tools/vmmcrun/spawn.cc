// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/spawn.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "platform/file_descriptor.h"

namespace vmmc::run {
namespace {

std::string_view variable_name(std::string_view assignment) {
  return assignment.substr(0, assignment.find('='));
}

std::vector<char*> merged_environment(const std::vector<std::string>& changes) {
  std::vector<char*> merged;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    bool replaced = false;
    for (const std::string& change : changes) {
      replaced = replaced || variable_name(change) == variable_name(*variable);
    }
    if (!replaced) merged.push_back(*variable);
  }
  for (const std::string& change : changes) merged.push_back(const_cast<char*>(change.c_str()));
  merged.push_back(nullptr);
  return merged;
}

bool place_descriptors(const SpawnPlan& plan) {
  const int input = plan.input >= 0 ? plan.input : ::open("/dev/null", O_RDWR | O_CLOEXEC);
  return ::dup2(input, STDIN_FILENO) >= 0 && ::dup2(plan.output, STDOUT_FILENO) >= 0 &&
         ::dup2(plan.error, STDERR_FILENO) >= 0 &&
         (plan.kept < 0 || ::fcntl(plan.kept, F_SETFD, 0) == 0);
}

// In the child. Returns only if the program cannot be run, with errno set.
void become(const SpawnPlan& plan, pid_t parent, char* const* arguments, char* const* variables) {
  ::setpgid(0, plan.group);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before it could matter to the kernel
  if (!place_descriptors(plan)) return;
  ::sigprocmask(SIG_SETMASK, &plan.signal_mask, nullptr);
  ::execvpe(arguments[0], arguments, variables);
}

// 0 when the pipe has closed because the program runs, else the errno that the child sent.
int wait_for_exec(int pipe) {
  int number = 0;
  ssize_t count;
  do {
    count = ::read(pipe, &number, sizeof number);
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof number) ? number : 0;
}

}  // namespace

platform::Result<pid_t> spawn(const SpawnPlan& plan) {
  std::vector<char*> arguments;
  for (const std::string& argument : plan.command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  const std::vector<char*> variables = merged_environment(plan.environment);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return platform::last_system_error("pipe2");
  platform::FileDescriptor reader(ends[0]);
  platform::FileDescriptor writer(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return platform::last_system_error("fork");
  if (child == 0) {
    become(plan, parent, arguments.data(), variables.data());
    const int number = errno;
    [[maybe_unused]] const ssize_t sent = ::write(writer.get(), &number, sizeof number);
    ::_exit(127);
  }
  writer.reset();
  const int number = wait_for_exec(reader.get());
  if (number == 0) return child;
  ::waitpid(child, nullptr, 0);
  return platform::SystemError{"execve", number};
}

}  // namespace vmmc::run
