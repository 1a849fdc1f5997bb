// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The worker processes of a random run, as the coordinator sees them.
//
// Threads and processes: of the coordinator's one thread. The workers are its children and end with
// it.
// Errors: std::runtime_error when a worker has ended, or has not answered for a minute.
#pragma once

#include <sys/types.h>

#include <array>
#include <string>

#include "tests/random_operations/command.h"

namespace vmmc::testing::random_operations {

class Fleet {
 public:
  explicit Fleet(std::string nicsim);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  void post(const Command& command);
  // The answer to the oldest command of this worker that has not been answered.
  Answer take(std::uint32_t process, Bytes* payload);
  Answer ask(const Command& command, Bytes* payload) {
    post(command);
    return take(command.process, payload);
  }

  // kill -9, and a successor of the same name.
  void replace(std::uint32_t process);

 private:
  struct Member {
    pid_t pid = -1;
    int socket = -1;
  };
  void start(std::uint32_t process);
  void end(std::uint32_t process);
  void receive(std::uint32_t process, void* to, std::size_t length);

  const std::string nicsim_;
  std::array<Member, kProcesses> members_;
};

}  // namespace vmmc::testing::random_operations
