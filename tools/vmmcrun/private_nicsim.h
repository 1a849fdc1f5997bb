// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The nicsim that belongs to one job alone.
//
// Threads and processes
//   For the keeper's one thread. nicsim is in a process group of its own, out of the terminal's
//   reach: it ends after the ranks, when told to. What it prints is relayed to standard error.
// What a crash at any instruction leaves behind
//   See guard.h. The socket's name is in the abstract namespace and goes with nicsim.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <optional>
#include <string>

#include "platform/file_descriptor.h"
#include "tools/vmmcrun/exit_code.h"
#include "tools/vmmcrun/options.h"
#include "tools/vmmcrun/output_relay.h"

namespace vmmc::run {

class PrivateNicsim {
 public:
  // Starts it, with the given signal mask, at a socket of its own. It does not listen yet then.
  std::optional<Failure> start(const Options& options, const sigset_t& signal_mask,
                               OutputRelay& relay);

  const std::string& socket() const { return socket_; }
  const std::string& path() const { return path_; }
  pid_t process() const { return process_; }  // 0: none is running

  // To be polled for reading; -1 once it has answered.
  int ready_fd() const { return ready_pipe_.get(); }
  // Takes the answer: that it listens, or, by hanging up, that it never will.
  void take_answer();
  bool answered() const { return !ready_pipe_.valid(); }
  bool listens() const { return listens_; }

  // Reaps it if it has ended, and says how if nobody has asked it to end.
  std::optional<Failure> note_end();

  void ask_to_end();
  void kill();

 private:
  std::string socket_;
  std::string path_;
  pid_t process_ = 0;
  platform::FileDescriptor ready_pipe_;
  bool listens_ = false;
  bool may_end_ = false;
};

}  // namespace vmmc::run
