// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/guard.h"

#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "platform/file_descriptor.h"
#include "tools/vmmcrun/exit_code.h"
#include "tools/vmmcrun/process_tree.h"

namespace vmmc::run {
namespace {

constexpr int kPassedOn[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT};

int fail(const char* call) {
  std::fprintf(stderr, "vmmcrun: %s: %s\n", call, std::strerror(errno));
  return kExitFailure;
}

bool is_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

sigset_t handled_signals() {
  sigset_t handled;
  ::sigemptyset(&handled);
  ::sigaddset(&handled, SIGCHLD);
  for (const int signal : kPassedOn) {
    if (!is_ignored(signal)) ::sigaddset(&handled, signal);
  }
  return handled;
}

// The guard's process group if standard input is the terminal that the group belongs to.
pid_t terminal_group() { return ::tcgetpgrp(STDIN_FILENO) < 0 ? 0 : ::getpgrp(); }

[[noreturn]] void be_keeper(const std::function<int(const KeeperWiring&)>& keeper,
                            const KeeperWiring& wiring) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_NAME, "vmmcrun-keeper");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGPIPE);
  ::sigaddset(&blocked, SIGTTOU);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  const int exit_code = keeper(wiring);
  ::_exit(exit_code);
}

void pass_on(int socket, const signalfd_siginfo& signal) {
  GuardMessage message{static_cast<int>(signal.ssi_signo), signal.ssi_code == SI_KERNEL};
  const bool stop = message.signal == SIGTSTP;
  // Nobody could continue a session's leader, so it must not stop; and rank 0, which the terminal
  // has stopped, goes on.
  const bool refused = stop && ::getsid(0) == ::getpid();
  if (refused) message.signal = SIGCONT;
  // A full socket means hundreds of signals that the keeper has not looked at yet: one more tells
  // it nothing.
  ::send(socket, &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (stop && !refused) ::raise(SIGSTOP);
}

// Returns the keeper's wait status once it has ended.
int watch(pid_t keeper, int signals, int socket) {
  for (;;) {
    signalfd_siginfo signal;
    if (::read(signals, &signal, sizeof signal) != static_cast<ssize_t>(sizeof signal)) continue;
    if (signal.ssi_signo != SIGCHLD) pass_on(socket, signal);
    int status = 0;
    if (::waitpid(keeper, &status, WNOHANG) == keeper) return status;
  }
}

}  // namespace

int run_guarded(const std::function<int(const KeeperWiring&)>& keeper) {
  KeeperWiring wiring{-1, terminal_group(), {}};
  const sigset_t handled = handled_signals();
  ::sigprocmask(SIG_BLOCK, &handled, &wiring.original_mask);
  ::signal(SIGCHLD, SIG_DFL);  // whoever ignores it cannot wait for children
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);

  platform::FileDescriptor signals(::signalfd(-1, &handled, SFD_CLOEXEC));
  if (!signals.valid()) return fail("signalfd");
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail("socketpair");
  platform::FileDescriptor ours(ends[0]);
  platform::FileDescriptor theirs(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail("fork");
  if (child == 0) {
    ours.reset();
    signals.reset();
    wiring.guard_socket = theirs.get();
    be_keeper(keeper, wiring);
  }
  theirs.reset();
  const int status = watch(child, signals.get(), ours.get());
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  kill_and_reap_descendants(std::chrono::seconds(5));  // first: writing may block
  std::fprintf(stderr, "vmmcrun: its keeper was killed by signal %d, and with it all ranks\n",
               WTERMSIG(status));
  return kExitFailure;
}

}  // namespace vmmc::run
