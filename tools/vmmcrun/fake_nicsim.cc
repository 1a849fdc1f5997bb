// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Stands in for nicsim in vmmcrun's own tests: says that it is ready and waits to be stopped.
// $FAKE_NICSIM makes it misbehave.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

int main(int argc, char** argv) {
  const char* value = std::getenv("FAKE_NICSIM");
  const std::string_view mode = value == nullptr ? "" : value;
  int ready_fd = -1;
  for (int i = 1; i < argc; ++i) {
    if (mode == "show") std::fprintf(stderr, "%s%c", argv[i], i + 1 < argc ? ' ' : '\n');
    if (std::string_view(argv[i]) == "--ready-fd" && i + 1 < argc)
      ready_fd = std::atoi(argv[i + 1]);
  }
  if (mode == "refuse") {
    std::fprintf(stderr, "no room for another node\n");
    return 3;
  }
  if (mode == "deaf") ::signal(SIGTERM, SIG_IGN);
  if (mode == "silent") {
    ::close(ready_fd);
  } else if (mode != "slow") {
    if (::write(ready_fd, "r", 1) != 1) return 4;
    ::close(ready_fd);
  }
  if (mode == "die") {
    ::usleep(200'000);
    ::raise(SIGKILL);
  }
  for (;;) ::pause();
}
