// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A timer that interrupts the thread that makes it, again and again, with a signal.
//
// Threads and processes: made and ended by the interrupted thread. A timer of the thread's own
// (SIGEV_THREAD_ID) and not setitimer, which would interrupt any thread and end the watchdog's
// alarm.
#pragma once

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <stdexcept>

namespace vmmc::internal::testing {

class SignalStorm {
 public:
  SignalStorm(int signal_number, long every_ns) {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = signal_number;
    event._sigev_un._tid = ::gettid();
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) {
      throw std::runtime_error("timer_create");
    }
    const itimerspec interval{{0, every_ns}, {0, every_ns}};
    ::timer_settime(timer_, 0, &interval, nullptr);
  }
  ~SignalStorm() { ::timer_delete(timer_); }
  SignalStorm(const SignalStorm&) = delete;
  SignalStorm& operator=(const SignalStorm&) = delete;

 private:
  timer_t timer_{};
};

}  // namespace vmmc::internal::testing
