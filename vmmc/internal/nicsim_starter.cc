// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/nicsim_starter.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string_view>

#include "platform/file_descriptor.h"
#include "vmmc/internal/error.h"

namespace vmmc::internal {
namespace {

constexpr int kReadyFd = 3;       // in the new process: the only descriptor beside 0, 1 and 2
constexpr int kPatience = 5'000;  // ms until a nicsim that says nothing is left alone

// A folder may be entered, which access() calls executable as well.
bool is_program(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

std::string beside_this_program() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0 || static_cast<std::size_t>(length) == sizeof path) return {};
  const std::string_view self(path, static_cast<std::size_t>(length));
  return std::string(self.substr(0, self.rfind('/') + 1)) + "nicsim";
}

// Between fork and exec: only async-signal-safe calls.
[[noreturn]] void become_nicsim(char* const* arguments, int ready) {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = ::open("/dev/null", O_RDWR);
  // Out of the way first: `ready` may be 0, 1 or 2 in a program that has closed those.
  const int aside = ::fcntl(ready, F_DUPFD, kReadyFd + 1);
  for (int fd = 0; fd < kReadyFd; ++fd) ::dup2(null, fd);
  ::dup2(aside, kReadyFd);
  ::close_range(kReadyFd + 1, ~0U, 0);
  (void)!::chdir("/");
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

// _Fork runs no fork handlers: the child does nothing that they prepare for.
[[noreturn]] void become_starter(char* const* arguments, int ready) {
  ::setsid();
  const pid_t grandchild = ::_Fork();
  if (grandchild == 0) become_nicsim(arguments, ready);
  ::_exit(grandchild < 0 ? errno : 0);
}

void await_ready(int fd) {
  pollfd ready{fd, POLLIN, 0};
  while (::poll(&ready, 1, kPatience) < 0 && errno == EINTR) {
  }
}

}  // namespace

std::string find_nicsim() {
  if (const char* named = std::getenv("VMMC_NICSIM"); named != nullptr && *named != '\0') {
    char absolute[PATH_MAX];
    return ::realpath(named, absolute) != nullptr && is_program(absolute) ? absolute : "";
  }
  if (std::string beside = beside_this_program(); is_program(beside)) return beside;
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(folder.size() == rest.size() ? rest.size() : folder.size() + 1);
    std::string candidate = std::string(folder) + "/nicsim";
    if (folder.starts_with('/') && is_program(candidate)) return candidate;
  }
  return {};
}

int start_nicsim(const std::string& program, const std::string& socket) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return fail_system("cannot start nicsim", platform::last_system_error("pipe2"));
  }
  const platform::FileDescriptor read_end(ends[0]);
  platform::FileDescriptor write_end(ends[1]);
  std::string words[] = {program,    "--foreground", "--leave-with-last-client",
                         "--socket", socket,         "--log",
                         "error",    "--ready-fd",   std::to_string(kReadyFd)};
  char* arguments[std::size(words) + 1] = {};
  for (std::size_t i = 0; i < std::size(words); ++i) arguments[i] = words[i].data();

  const pid_t child = ::_Fork();
  if (child == 0) become_starter(arguments, write_end.get());
  if (child < 0) return fail_system("cannot start nicsim", platform::last_system_error("fork"));
  write_end.reset();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
    return fail_system("cannot start nicsim", {"fork", WEXITSTATUS(status)});
  }
  await_ready(read_end.get());
  return VMMC_OK;
}

}  // namespace vmmc::internal
