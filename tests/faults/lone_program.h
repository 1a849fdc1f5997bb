// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A program that meets a nicsim, or tries to, as one that was started by hand.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/support/processes/nicsim_process.h"
#include "vmmc/vmmc.h"

namespace vmmc::testing {

inline std::string fresh_name() { return "@vmmc-test-" + random_name(); }

// Takes a part of run_processes out of its job.
inline void be_alone() {
  for (const char* name : {"VMMC_PROCESS", "VMMC_NODE", "VMMC_RANK", "VMMC_SIZE"}) {
    ::unsetenv(name);
  }
}

// vmmc_init at a socket, and the sentence that it leaves.
inline int init_at(const std::string& socket, bool never_start, std::string* sentence) {
  vmmc_init_options options = VMMC_INIT_DEFAULTS;
  options.socket = socket.c_str();
  options.never_start = never_start ? 1 : 0;
  const int status = vmmc_init(&options);
  *sentence = vmmc_last_error();
  return status;
}

inline bool mentions(const std::string& sentence, const std::string& what) {
  if (sentence.find(what) != std::string::npos) return true;
  std::fprintf(stderr, "no \"%s\" in: %s\n", what.c_str(), sentence.c_str());
  return false;
}

}  // namespace vmmc::testing
