// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The worker's end of the socket to the coordinator, and its end when something cannot be.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "tests/random_operations/command.h"
#include "vmmc/vmmc.h"

namespace vmmc::testing::random_operations {

[[noreturn]] inline void give_up(const char* what) {
  std::fprintf(stderr, "worker: %s: %s\n", what, vmmc_last_error());
  std::fflush(stderr);
  ::_exit(99);
}

inline void demand(bool held, const char* what) {
  if (!held) give_up(what);
}

// Ends the process when the coordinator has closed its end.
inline Command receive_command(int socket) {
  Command command;
  const ssize_t got = ::recv(socket, &command, sizeof command, MSG_WAITALL);
  if (got == 0) ::_exit(0);
  demand(got == sizeof command, "recv");
  return command;
}

inline void send_answer(int socket, Answer answer, const Bytes& payload) {
  answer.payload = static_cast<std::uint32_t>(payload.size());
  demand(::send(socket, &answer, sizeof answer, MSG_NOSIGNAL) == sizeof answer, "send");
  std::size_t sent = 0;
  while (sent < payload.size()) {
    const ssize_t n = ::send(socket, payload.data() + sent, payload.size() - sent, MSG_NOSIGNAL);
    demand(n > 0, "send");
    sent += static_cast<std::size_t>(n);
  }
}

}  // namespace vmmc::testing::random_operations
