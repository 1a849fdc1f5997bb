// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A nicsim of its own for a test: a real process at a random abstract socket.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace vmmc::testing {

// 32 random hexadecimal digits: names that no other test on the machine has.
std::string random_name();

// The path of the nicsim binary: $VMMC_NICSIM, else in the runfiles of the test.
std::string nicsim_binary();

class NicsimProcess {
 public:
  // Starts nicsim and waits until clients can attach. $VMMC_TEST_MODEL: under this timing model.
  explicit NicsimProcess(std::vector<std::string> arguments = {});
  ~NicsimProcess();  // kill() if it still runs
  NicsimProcess(const NicsimProcess&) = delete;
  NicsimProcess& operator=(const NicsimProcess&) = delete;

  const std::string& socket() const { return socket_; }
  pid_t pid() const { return pid_; }

  // SIGKILL, and waits for its end.
  void kill();
  // SIGTERM, and waits for its end; returns the wait status.
  int terminate();
  // Waits for it to end by itself; returns the wait status.
  int wait();

 private:
  std::string socket_;
  pid_t pid_ = -1;
};

}  // namespace vmmc::testing
