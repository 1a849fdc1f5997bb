// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/private_nicsim.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tools/vmmcrun/child_end.h"
#include "tools/vmmcrun/nicsim_command.h"
#include "tools/vmmcrun/spawn.h"

namespace vmmc::run {

using platform::FileDescriptor;

std::optional<Failure> PrivateNicsim::start(const Options& options, const sigset_t& signal_mask,
                                            OutputRelay& relay) {
  socket_ = random_socket_name();
  auto output = relay.add_stream("[nicsim] ", STDERR_FILENO);
  int ends[2];
  if (!output.ok() || ::pipe2(ends, O_CLOEXEC) != 0) {
    return Failure{kExitFailure, std::string("no pipe for nicsim: ") + std::strerror(errno)};
  }
  ready_pipe_.reset(ends[0]);
  const FileDescriptor ready_writer(ends[1]);
  SpawnPlan plan;
  plan.command = nicsim_command(options, socket_, ready_writer.get());
  plan.output = plan.error = output.value().get();
  plan.kept = ready_writer.get();
  plan.signal_mask = signal_mask;
  path_ = plan.command.front();
  const auto process = spawn(plan);
  if (!process.ok()) {
    return Failure{kExitFailure, "cannot start " + path_ + ": " +
                                     std::strerror(process.error().number) +
                                     " (--nicsim or $VMMC_NICSIM says where it is)"};
  }
  process_ = process.value();
  return std::nullopt;
}

void PrivateNicsim::take_answer() {
  char byte;
  listens_ = ::read(ready_pipe_.get(), &byte, 1) == 1;
  ready_pipe_.reset();
}

std::optional<Failure> PrivateNicsim::note_end() {
  if (process_ == 0) return std::nullopt;
  const auto end = peek_end(process_);
  if (!end) return std::nullopt;
  ::waitpid(process_, nullptr, 0);
  process_ = 0;
  if (may_end_) return std::nullopt;
  return Failure{kExitFailure, "nicsim (" + path_ + ") " + end->text() +
                                   (listens_ ? "" : " before it was ready")};
}

void PrivateNicsim::ask_to_end() {
  may_end_ = true;
  if (process_ == 0) return;
  ::kill(process_, SIGTERM);
  ::kill(process_, SIGCONT);  // a stopped process would not see it
}

void PrivateNicsim::kill() {
  if (process_ != 0) ::kill(process_, SIGKILL);
}

}  // namespace vmmc::run
