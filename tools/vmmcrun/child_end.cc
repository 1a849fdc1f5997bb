// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/child_end.h"

#include <sys/wait.h>

#include <cstring>

namespace vmmc::run {

std::string ChildEnd::text() const {
  if (!by_signal) return "ended with exit status " + std::to_string(number);
  return "was killed by signal " + std::to_string(number) + " (" + ::strsignal(number) + ")";
}

std::optional<ChildEnd> peek_end(pid_t child) {
  siginfo_t info{};
  const int options = WEXITED | WNOHANG | WNOWAIT;
  if (::waitid(P_PID, static_cast<id_t>(child), &info, options) != 0 || info.si_pid != child) {
    return std::nullopt;
  }
  return ChildEnd{info.si_code != CLD_EXITED, info.si_status};
}

}  // namespace vmmc::run
