// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A signal of the process whenever nicsim writes to the notification pipe.
//
// Threads and processes
//   start() and stop(): one at a time, not in a signal handler. One object of the process is
//   started at any time: a signal's disposition belongs to the process.
//
// Invariants
//   While started the signal calls the function; when stop() has returned no call is under way, the
//   program's own disposition is back, and no signal of ours is left pending.
//
// What a crash at any instruction leaves behind: nothing that outlives the process.
#pragma once

#include <signal.h>

#include <cstdint>

namespace vmmc::internal {

class SignalDelivery {
 public:
  using Function = void (*)(void* argument);  // async-signal-safe

  // VMMC_OK if the library can deliver by this signal (0: the default); else the refusal, with its
  // sentence.
  static int check(int signal);

  // `signal` passes check(); `pipe` stays open until stop().
  SignalDelivery(int pipe, int signal);
  ~SignalDelivery() { stop(); }
  SignalDelivery(const SignalDelivery&) = delete;
  SignalDelivery& operator=(const SignalDelivery&) = delete;

  int signal() const { return signal_; }

  // Who raises the signal: the kernel when there is something in the pipe, or raise().
  enum class Source { kPipe, kThread };

  // VMMC_OK; VMMC_ERR_INVALID_ARGUMENT: the program handles the signal itself; VMMC_ERR_SYSTEM.
  int start(Function function, void* argument, Source source = Source::kPipe);
  // In the calling thread. Async-signal-safe.
  void raise() const;
  void stop();

  // In a forked child: its own signal does nothing any more. Async-signal-safe.
  void abandon();

  // The calling thread does not take the signal while one of these lives. Ends with at most one
  // signal pending: real-time signals queue up, and what finds no room would be SIGIO.
  class Held {
   public:
    explicit Held(int signal);
    ~Held();
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

   private:
    const int signal_;
    sigset_t before_;
  };

 private:
  int raise_from_pipe();
  void restore();

  const int pipe_;
  const int signal_;
  struct sigaction previous_ {};
  bool started_ = false;
};

}  // namespace vmmc::internal
