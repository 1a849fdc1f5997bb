// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The ranks of a job as processes: starts them, signals them, notes their ends.
//
// Threads and processes
//   For the keeper's one thread. Each rank leads a process group of its own; but if standard input
//   is the guard's terminal, rank 0 is in the guard's group, because only the foreground group may
//   read from a terminal.
// Invariants
//   A rank that has ended stays a zombie, so that neither its process id nor its group's can
//   meanwhile be a stranger's. Hence signal() reaches the job and nobody else. Whoever reaps ranks
//   must have called it for the last time.
// What a crash at any instruction leaves behind
//   See guard.h.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "platform/result.h"
#include "tools/vmmcrun/exit_code.h"
#include "tools/vmmcrun/guard.h"
#include "tools/vmmcrun/options.h"
#include "tools/vmmcrun/output_relay.h"

namespace vmmc::run {

class RankSet {
 public:
  // All three must outlive the set.
  RankSet(const Options& options, const KeeperWiring& wiring, OutputRelay& relay)
      : options_(options), wiring_(wiring), relay_(relay) {}

  // Starts the next rank, which is to use the nicsim at `socket`.
  std::optional<Failure> start_next(const std::string& socket);

  bool empty() const { return ranks_.empty(); }
  std::size_t started() const { return ranks_.size(); }
  std::size_t running() const { return running_; }
  bool contains(pid_t process) const;

  // Notes who has ended since the last call; returns the first failure among them. `first` is the
  // child of which the kernel said that it ended before the others; 0: it did not say.
  std::optional<Failure> note_ends(pid_t first);

  // To all ranks and their children. What the terminal sends when a key is pressed has reached
  // rank 0 already if that is in the terminal's foreground group.
  void signal(int signal, bool from_terminal) const;

 private:
  struct Rank {
    pid_t process;
    bool ended;
  };

  platform::Result<pid_t> spawn_rank(const std::string& number, const std::string& socket);
  std::optional<Failure> note_end(std::size_t rank);

  const Options& options_;
  const KeeperWiring& wiring_;
  OutputRelay& relay_;
  std::vector<Rank> ranks_;
  std::size_t running_ = 0;
};

}  // namespace vmmc::run
