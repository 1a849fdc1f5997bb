// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Runs a function of this thread one machine instruction at a time (the processor's trap flag), to
// count the instructions or to do something between two of them. x86-64.
//
// Threads and processes: one thread of the process at a time. Takes SIGTRAP over. The callback runs
// in the signal handler, between two instructions of the function; so it may do what a handler may.
#pragma once

#include <signal.h>
#include <ucontext.h>

#include <cstdint>

namespace vmmc::internal::testing {

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define VMMC_SINGLE_STEP 1

class SingleStep {
 public:
  // After each instruction; true: the rest runs at full speed.
  using Callback = bool (*)(std::uint64_t instruction);

  // Calls function() and returns the number of instructions that were taken singly, system calls as
  // one.
  template <typename Function>
  static std::uint64_t run(Function&& function, Callback between = nullptr) {
    static const std::uint64_t overhead = trace([] {}, nullptr);
    const std::uint64_t instructions = trace(function, between);
    return instructions > overhead ? instructions - overhead : 0;
  }

 private:
  static constexpr greg_t kTrapFlag = 0x100;

  struct State {
    Callback between;
    std::uint64_t instructions;
    bool running;
  };
  static State& state() {
    static volatile State state{};
    return const_cast<State&>(state);
  }

  template <typename Function>
  [[gnu::noinline]] static std::uint64_t trace(Function&& function, Callback between) {
    struct sigaction action {};
    action.sa_sigaction = trapped;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGTRAP, &action, nullptr);
    state() = {between, 0, true};
    asm volatile("int3" ::: "memory");  // the handler switches tracing on
    function();
    asm volatile("" ::: "memory");
    state().running = false;
    asm volatile("nop" ::: "memory");
    return state().instructions;
  }

  static void trapped(int, siginfo_t*, void* context) {
    State& current = state();
    greg_t& flags = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL];
    if (!current.running) {
      flags &= ~kTrapFlag;
      return;
    }
    if ((flags & kTrapFlag) == 0) {
      flags |= kTrapFlag;
      return;
    }
    const std::uint64_t instruction = current.instructions++;
    if (current.between != nullptr && current.between(instruction)) flags &= ~kTrapFlag;
  }
};

#endif

}  // namespace vmmc::internal::testing
