// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How a child has ended.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "tools/vmmcrun/exit_code.h"

namespace vmmc::run {

struct ChildEnd {
  bool by_signal;
  int number;  // of the signal, or the exit status

  int exit_code() const { return by_signal ? kExitSignal + number : number; }
  std::string text() const;  // "ended with exit status 3", "was killed by signal 9 (Killed)"
};

// Nothing while the child runs. It stays a zombie: its process id, and with it the id of the
// process group that it leads, cannot be given to a stranger before somebody waits for it.
std::optional<ChildEnd> peek_end(pid_t child);

}  // namespace vmmc::run
