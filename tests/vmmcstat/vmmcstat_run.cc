// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tests/vmmcstat/vmmcstat_run.h"

#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace vmmc::testing {
namespace {

std::string read_to_end(std::FILE* file) {
  std::string text;
  char buffer[65536];
  for (std::size_t count; (count = std::fread(buffer, 1, sizeof buffer, file)) > 0;) {
    text.append(buffer, count);
  }
  return text;
}

}  // namespace

StatRun run_vmmcstat(const std::string& socket, const std::string& arguments) {
  std::FILE* const errors = std::tmpfile();
  if (errors == nullptr) throw std::runtime_error("tmpfile");
  const std::string command = "timeout 60 tools/vmmcstat/vmmcstat --socket '" + socket + "' " +
                              arguments + " 2>&" + std::to_string(::fileno(errors));
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen");
  StatRun run;
  run.output = read_to_end(pipe);
  run.exit_code = WEXITSTATUS(::pclose(pipe));
  std::rewind(errors);
  run.errors = read_to_end(errors);
  std::fclose(errors);
  return run;
}

boost::json::object json_of(const std::string& socket, const std::string& arguments) {
  const StatRun run = run_vmmcstat(socket, "--json " + arguments);
  if (run.exit_code != 0) throw std::runtime_error("vmmcstat: " + run.errors);
  return boost::json::parse(run.output).as_object();
}

}  // namespace vmmc::testing
