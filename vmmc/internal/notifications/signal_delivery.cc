// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/notifications/signal_delivery.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "vmmc/internal/error.h"

namespace vmmc::internal {
namespace {

// What the signal calls. `argument` is set before `function`, and both stay until no call is inside.
std::atomic<SignalDelivery::Function> called{nullptr};
std::atomic<void*> called_with{nullptr};
std::atomic<int> inside{0};

void on_signal(int) {
  const int saved = errno;
  inside.fetch_add(1, std::memory_order_seq_cst);
  if (const SignalDelivery::Function function = called.load(std::memory_order_seq_cst)) {
    function(called_with.load(std::memory_order_relaxed));
  }
  inside.fetch_sub(1, std::memory_order_release);
  errno = saved;
}

bool is_ours(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == on_signal;
}

sigset_t only(int signal) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, signal);
  return set;
}

}  // namespace

int SignalDelivery::check(int signal) {
  for (const int other : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) {
    if (signal != other) continue;
    return fail(VMMC_ERR_INVALID_ARGUMENT, "signal %d cannot deliver notifications", signal);
  }
  // Those between the standard signals and SIGRTMIN belong to the C library.
  const bool known = (signal >= 0 && signal < 32) || (signal >= SIGRTMIN && signal <= SIGRTMAX);
  if (known) return VMMC_OK;
  return fail(VMMC_ERR_INVALID_ARGUMENT, "%d is no signal of a program", signal);
}

SignalDelivery::SignalDelivery(int pipe, int signal)
    : pipe_(pipe), signal_(signal == 0 ? SIGRTMIN + 2 : signal) {}

int SignalDelivery::start(Function function, void* argument, Source source) {
  if (::sigaction(signal_, nullptr, &previous_) != 0) {
    return fail_system("cannot deliver by signal", platform::last_system_error("sigaction"));
  }
  const bool handled = (previous_.sa_flags & SA_SIGINFO) != 0 ||
                       (previous_.sa_handler != SIG_DFL && previous_.sa_handler != SIG_IGN);
  if (handled || called.load() != nullptr) {
    return fail(VMMC_ERR_INVALID_ARGUMENT,
                "signal %d cannot deliver notifications: the program has a handler for it",
                signal_);
  }
  called_with.store(argument, std::memory_order_relaxed);
  called.store(function, std::memory_order_seq_cst);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  started_ = true;
  if (::sigaction(signal_, &action, nullptr) == 0 &&
      (source == Source::kThread || raise_from_pipe() == 0)) {
    return VMMC_OK;
  }
  const platform::SystemError error = platform::last_system_error("fcntl");
  stop();
  return fail_system("cannot deliver by signal", error);
}

int SignalDelivery::raise_from_pipe() {
  const f_owner_ex owner{F_OWNER_PID, ::getpid()};
  if (::fcntl(pipe_, F_SETOWN_EX, &owner) != 0) return -1;
  if (::fcntl(pipe_, F_SETSIG, signal_) != 0) return -1;
  const int flags = ::fcntl(pipe_, F_GETFL);
  return flags < 0 ? -1 : ::fcntl(pipe_, F_SETFL, flags | O_ASYNC);
}

void SignalDelivery::raise() const { (void)::pthread_kill(::pthread_self(), signal_); }

void SignalDelivery::stop() {
  if (!started_) return;
  started_ = false;
  const int flags = ::fcntl(pipe_, F_GETFL);
  if (flags >= 0) (void)::fcntl(pipe_, F_SETFL, flags & ~O_ASYNC);
  called.store(nullptr, std::memory_order_seq_cst);
  while (inside.load(std::memory_order_seq_cst) > 0) ::sched_yield();
  restore();
}

// A pending signal would find the program's own disposition, which may be to end the process:
// ignoring a signal throws pending ones away.
void SignalDelivery::restore() {
  struct sigaction present {};
  if (::sigaction(signal_, nullptr, &present) != 0 || !is_ours(present)) return;
  struct sigaction ignoring {};
  ignoring.sa_handler = SIG_IGN;
  ::sigemptyset(&ignoring.sa_mask);
  (void)::sigaction(signal_, &ignoring, nullptr);
  (void)::sigaction(signal_, &previous_, nullptr);
}

void SignalDelivery::abandon() {
  if (!started_) return;
  started_ = false;
  called.store(nullptr, std::memory_order_seq_cst);
  inside.store(0, std::memory_order_seq_cst);  // of threads that the child does not have
  restore();
}

SignalDelivery::Held::Held(int signal) : signal_(signal) {
  const sigset_t set = only(signal_);
  ::pthread_sigmask(SIG_BLOCK, &set, &before_);
}

SignalDelivery::Held::~Held() {
  const int saved = errno;
  const sigset_t set = only(signal_);
  const timespec at_once{};
  bool taken = false;
  while (::sigtimedwait(&set, nullptr, &at_once) == signal_) taken = true;
  if (taken) (void)::kill(::getpid(), signal_);
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  errno = saved;
}

}  // namespace vmmc::internal
