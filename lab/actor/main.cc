// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The actor: see README.md.

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "lab/actor/table.h"

namespace {

void write_line(const std::string& line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

void say_begun() { write_line("{\"begun\":true}\n"); }

// One that takes the place of a process that was killed a moment ago may find its id still taken.
int attach() {
  constexpr int kTries = 100;
  constexpr useconds_t kBetween = 10'000;
  int status = vmmc_init(nullptr);
  for (int i = 1; i < kTries && status == VMMC_ERR_PROCESS_ID_IN_USE; ++i) {
    ::usleep(kBetween);
    status = vmmc_init(nullptr);
  }
  return status;
}

}  // namespace

int main() {
  if (attach() != VMMC_OK) {
    std::fprintf(stderr, "actor: %s\n", vmmc_last_error());
    write_line(vmmc::lab::could_not_attach_line(vmmc_last_error()));
    return 1;
  }
  (void)vmmc_leave_time();
  vmmc::lab::Actor actor;
  for (std::string line; std::getline(std::cin, line);) {
    write_line(vmmc::lab::answer_line(actor, line, say_begun));
  }
  (void)vmmc_return_to_time();
  const int status = vmmc_finalize();
  return status == VMMC_OK ? 0 : 1;
}
