// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/nicsim_command.h"

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

namespace vmmc::run {

std::string random_socket_name() {
  std::random_device random;
  std::string name = "@vmmc-job-";
  for (int i = 0; i < 4; ++i) {
    char digits[9];
    std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(random()));
    name += digits;
  }
  return name;
}

std::string find_nicsim(const Options& options) {
  if (!options.nicsim.empty()) return options.nicsim;
  if (const char* path = std::getenv("VMMC_NICSIM"); path != nullptr && *path != '\0') return path;
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    for (const char* place : {"nicsim", "../../nicsim/nicsim"}) {
      const auto candidate = self.parent_path() / place;
      if (std::filesystem::is_regular_file(candidate, error) &&
          ::access(candidate.c_str(), X_OK) == 0) {
        return candidate;
      }
    }
  }
  return "nicsim";
}

std::vector<std::string> nicsim_command(const Options& options, const std::string& socket,
                                        int ready_fd) {
  std::vector<std::string> command = {find_nicsim(options),
                                      "--socket",
                                      socket,
                                      "--foreground",
                                      "--nodes",
                                      options.nodes_text,
                                      "--ready-fd",
                                      std::to_string(ready_fd)};
  if (!options.model.empty()) {
    // Simulated time begins when the last process has attached.
    command.insert(command.end(),
                   {"--model", options.model, "--expect", std::to_string(options.processes)});
  }
  for (const std::string& parameter : options.parameters) {
    command.insert(command.end(), {"--param", parameter});
  }
  if (!options.record.empty()) command.insert(command.end(), {"--record", options.record});
  return command;
}

}  // namespace vmmc::run
