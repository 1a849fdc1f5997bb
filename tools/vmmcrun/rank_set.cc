// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/rank_set.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "platform/file_descriptor.h"
#include "tools/vmmcrun/child_end.h"
#include "tools/vmmcrun/process_tree.h"
#include "tools/vmmcrun/spawn.h"

namespace vmmc::run {
namespace {

using platform::FileDescriptor;

Failure cannot_run(const std::string& program, const platform::SystemError& error) {
  int exit_code = kExitFailure;
  if (std::string_view(error.call) == "execve") {
    exit_code =
        error.number == ENOENT || error.number == ENOTDIR ? kExitNotFound : kExitNotExecutable;
  }
  return {exit_code, "cannot run " + program + ": " + std::strerror(error.number)};
}

// Signals that a key on the terminal sends to the whole foreground process group. Its hang-up is
// none of them: that may go to the session's leader alone.
bool is_key_signal(int signal) {
  return signal == SIGINT || signal == SIGQUIT || signal == SIGTSTP;
}

}  // namespace

std::optional<Failure> RankSet::start_next(const std::string& socket) {
  const auto process = spawn_rank(std::to_string(ranks_.size()), socket);
  if (!process.ok()) return cannot_run(options_.command.front(), process.error());
  ranks_.push_back({process.value(), false});
  ++running_;
  return std::nullopt;
}

platform::Result<pid_t> RankSet::spawn_rank(const std::string& number, const std::string& socket) {
  SpawnPlan plan;
  plan.command = options_.command;
  plan.environment = {"VMMC_SOCKET=" + socket, "VMMC_RANK=" + number, "VMMC_PROCESS=" + number,
                      "VMMC_SIZE=" + std::to_string(options_.processes),
                      "VMMC_NODE=" + std::to_string(ranks_.size() % options_.nodes)};
  plan.signal_mask = wiring_.original_mask;
  if (ranks_.empty()) {
    plan.input = STDIN_FILENO;
    plan.group = wiring_.terminal_group;
  }
  FileDescriptor output, error;
  if (options_.prefix) {
    auto out = relay_.add_stream("[" + number + "] ", STDOUT_FILENO);
    if (!out.ok()) return out.error();
    auto err = relay_.add_stream("[" + number + "] ", STDERR_FILENO);
    if (!err.ok()) return err.error();
    output = std::move(out.value());
    error = std::move(err.value());
    plan.output = output.get();
    plan.error = error.get();
  }
  return spawn(plan);
}

bool RankSet::contains(pid_t process) const {
  return std::any_of(ranks_.begin(), ranks_.end(),
                     [&](const Rank& rank) { return rank.process == process; });
}

std::optional<Failure> RankSet::note_ends(pid_t first) {
  std::optional<Failure> failure;
  for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
    if (ranks_[rank].process == first) failure = note_end(rank);
  }
  for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
    auto another = note_end(rank);
    if (!failure) failure = std::move(another);
  }
  return failure;
}

std::optional<Failure> RankSet::note_end(std::size_t rank) {
  if (ranks_[rank].ended) return std::nullopt;
  const auto end = peek_end(ranks_[rank].process);
  if (!end) return std::nullopt;
  ranks_[rank].ended = true;
  --running_;
  if (end->exit_code() == 0) return std::nullopt;
  return Failure{end->exit_code(), "rank " + std::to_string(rank) + " " + end->text()};
}

void RankSet::signal(int signal, bool from_terminal) const {
  for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
    const pid_t process = ranks_[rank].process;
    if (rank != 0 || wiring_.terminal_group == 0) {
      ::kill(-process, signal);
    } else if (!from_terminal || !is_key_signal(signal)) {
      // Not to its group, which holds strangers: the guard, and what shares a pipeline with it.
      ::kill(process, signal);
      for (const Descendant& child : descendants(process)) ::kill(child.process, signal);
    }
  }
}

}  // namespace vmmc::run
