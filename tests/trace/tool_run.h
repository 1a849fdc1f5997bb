// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Runs the tools that look at a machine and at its traces, as a shell does, and collects what they print.
#pragma once

#include <sys/wait.h>

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace vmmc::testing {

struct ToolRun {
  int exit_code;
  std::string output;  // both streams, unless the command says otherwise
};

inline ToolRun run_tool(const std::string& command) {
  std::FILE* const pipe = ::popen(("exec 2>&1; timeout 100 " + command).c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen");
  ToolRun run{};
  char buffer[65536];
  for (std::size_t count; (count = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    run.output.append(buffer, count);
  }
  run.exit_code = WEXITSTATUS(::pclose(pipe));
  return run;
}

// The number that follows the first `before` in a text; an exception if there is none.
inline std::uint64_t number_after(const std::string& text, const std::string& before) {
  const std::size_t at = text.find(before);
  if (at == text.npos) throw std::runtime_error("no '" + before + "' in:\n" + text);
  return std::stoull(text.substr(at + before.size()));
}

inline const std::string kVmmctrace = "tools/vmmctrace/vmmctrace ";

}  // namespace vmmc::testing
