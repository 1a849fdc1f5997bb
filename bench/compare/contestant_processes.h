// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The processes of a contestant: how they are started, placed, ended, and how they agree with each
// other outside of the timed spans.
//
// Threads and processes: one thread each. Rank 0 is the parent. Those that were not forked here
// (mpirun) place a ControlBlock in memory that they share and make a Control over it.
// Crash: a child that ends with an error ends its parent, and the parent's end ends all children;
// an alarm ends what hangs.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <atomic>
#include <cstdlib>
#include <utility>

#include "contestant_base.h"

namespace contestant {

// How the processes agree with each other outside of the timed spans. All zero at the start.
struct ControlBlock {
  struct alignas(kCacheLine) Line {
    std::atomic<std::uint64_t> value;
  };
  Line arrived[kMaxProcesses];
  Line ready;
  Line credit;
  Line last_round;
  Line told;
  std::byte addresses[kMaxProcesses][4096];  // for links that exchange addresses at the start
};

class Control {
 public:
  Control(ControlBlock* block, int rank, int processes)
      : block_(block), rank_(rank), processes_(processes) {}

  int rank() const { return rank_; }
  int processes() const { return processes_; }
  ControlBlock& block() { return *block_; }

  void barrier() {
    block_->arrived[rank_].value.store(++barriers_);
    for (int other = 0; other < processes_; ++other) {
      poll_until([&] { return block_->arrived[other].value.load() >= barriers_; });
    }
  }

  // Rank 1 says that it is about to wait for message `number`; rank 0 waits until it says so.
  void say_ready(std::uint64_t number) { block_->ready.value.store(number); }
  void await_ready(std::uint64_t number) {
    poll_until([&] { return block_->ready.value.load() >= number; });
  }

  // Rank 1 has read that many messages.
  void give_credit(std::uint64_t messages) {
    block_->credit.value.store(messages, std::memory_order_release);
  }
  std::uint64_t credit() { return block_->credit.value.load(std::memory_order_acquire); }
  void await_credit(std::uint64_t messages) {
    poll_until([&] { return credit() >= messages; });
  }

  // The round that rank 0 declares the last one before it sends its message.
  void declare_last(std::uint64_t round) { block_->last_round.value.store(round); }
  bool is_last(std::uint64_t round) { return block_->last_round.value.load() == round; }

  // All learn a value of the rank that tells. Contains barriers.
  std::uint64_t agree(int teller, std::uint64_t value) {
    if (rank_ == teller) block_->told.value.store(value);
    barrier();
    const std::uint64_t told = block_->told.value.load();
    barrier();
    return told;
  }

 private:
  ControlBlock* block_;
  int rank_;
  int processes_;
  std::uint64_t barriers_ = 0;
};

inline void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (::sched_setaffinity(0, sizeof(set), &set) != 0) {
    fail(kWrongArguments, "cannot run on CPU %d: %s", cpu, std::strerror(errno));
  }
}

// Process `rank` runs on the CPU of its place in --cpus; those beyond the list begin it again.
inline void place(const Options& options, int rank, int processes) {
  const auto cpu_of = [&](int process) {
    return options.cpus[static_cast<std::size_t>(process) % options.cpus.size()];
  };
  for (int one = 0; one < processes; ++one) {
    for (int other = 0; other < one; ++other) {
      if (cpu_of(one) == cpu_of(other)) looks_before_yield = 20;
    }
  }
  pin(cpu_of(rank));
}

inline void start_alarm(const Options& options) {
  ::alarm(static_cast<unsigned>((options.milliseconds + 999) / 1000 + 20));
}

inline std::vector<pid_t> children;

// A child that ends with an error ends the parent, and this the others.
inline void child_ended(int) {
  for (pid_t& child : children) {
    int status = 0;
    if (child > 0 && ::waitpid(child, &status, WNOHANG) == child) {
      child = 0;
      if (status != 0) ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
  }
}

// Forks until there are `processes` of them, each on its own CPU. Libraries that keep threads or
// shared memory start after this.
inline Control fork_processes(const Options& options, int processes) {
  auto* block = reinterpret_cast<ControlBlock*>(shared_memory(sizeof(ControlBlock)));
  const pid_t parent = ::getpid();
  start_alarm(options);
  children.assign(static_cast<std::size_t>(processes), 0);
  ::signal(SIGCHLD, child_ended);
  int rank = 0;
  for (int process = 1; process < processes && rank == 0; ++process) {
    const pid_t child = ::fork();
    require(child >= 0, "fork");
    if (child > 0) {
      children[static_cast<std::size_t>(process)] = child;
      continue;
    }
    rank = process;
    ::signal(SIGCHLD, SIG_DFL);
    children.clear();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    start_alarm(options);
  }
  place(options, rank, processes);
  return {block, rank, processes};
}

// The parent ends a process that serves the others until then.
inline void end_process(int rank) {
  const pid_t child = std::exchange(children[static_cast<std::size_t>(rank)], 0);
  if (child > 0) ::kill(child, SIGKILL);
}

// The parent's status contains that of its children.
inline void join_processes() {
  sigset_t child_signal;
  ::sigemptyset(&child_signal);
  ::sigaddset(&child_signal, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child_signal, nullptr);
  for (pid_t& child : children) {
    int status = 0;
    if (child > 0 && ::waitpid(child, &status, 0) == child && status != 0) {
      fail(1, "a process of the contestant ended with status %d", status);
    }
    child = 0;
  }
}

}  // namespace contestant
