// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// vmmcrun: starts a parallel program. See README.md.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "tools/vmmcrun/exit_code.h"
#include "tools/vmmcrun/guard.h"
#include "tools/vmmcrun/job.h"
#include "tools/vmmcrun/options.h"

namespace {

// If we were started without one of the three standard descriptors, our own pipes must not take its
// number.
bool fill_standard_descriptors() {
  int fd;
  do {
    fd = ::open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) ::close(fd);
  return fd >= 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (!fill_standard_descriptors()) return vmmc::run::kExitFailure;
  const auto parsed = vmmc::run::parse_options(argc, argv);
  if (const auto* early = std::get_if<vmmc::run::EarlyExit>(&parsed)) {
    std::fputs(early->text.c_str(), early->exit_code == 0 ? stdout : stderr);
    return early->exit_code;
  }
  const auto& options = std::get<vmmc::run::Options>(parsed);
  return vmmc::run::run_guarded(
      [&](const vmmc::run::KeeperWiring& wiring) { return vmmc::run::run_job(options, wiring); });
}
