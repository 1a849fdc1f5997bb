// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/options.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace vmmc::nicsim;

namespace {

std::variant<Options, int> parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "nicsim");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

}  // namespace

TEST_CASE("nodes are a number or rows x columns") {
  CHECK(parse_nodes("4") == 4);
  CHECK(parse_nodes("2x3") == 6);
  CHECK(parse_nodes("64x64") == 4096);
  for (const char* wrong :
       {"", "0", "-1", "x", "2x", "x2", "2x0", "4097", "65x64", "2x2x2", "4 "}) {
    CAPTURE(wrong);
    CHECK(parse_nodes(wrong) == 0);
  }
}

TEST_CASE("defaults") {
  const auto options = std::get<Options>(parse({}));
  CHECK(options.nodes == 4);
  CHECK(options.socket == default_socket());
  CHECK_FALSE(options.foreground);
  CHECK_FALSE(options.any_user);
}

TEST_CASE("every option is read") {
  const auto options = std::get<Options>(
      parse({"--socket", "/run/x", "--nodes", "2x4", "--foreground", "--log", "debug", "--users",
             "any", "--leave-with-last-client", "--ready-fd", "5"}));
  CHECK(options.socket == "/run/x");
  CHECK(options.nodes == 8);
  CHECK(options.foreground);
  CHECK(options.any_user);
  CHECK(options.leave_with_last_client);
  CHECK(options.ready_fd == 5);
  CHECK(options.log_level == LogLevel::kDebug);
}

TEST_CASE("mistakes end with status 2, questions with 0") {
  CHECK(std::get<int>(parse({"--nodes", "none"})) == 2);
  CHECK(std::get<int>(parse({"--log", "loud"})) == 2);
  CHECK(std::get<int>(parse({"--users", "some"})) == 2);
  CHECK(std::get<int>(parse({"--nonsense"})) == 2);
  CHECK(std::get<int>(parse({"--help"})) == 0);
  CHECK(std::get<int>(parse({"--version"})) == 0);
}
