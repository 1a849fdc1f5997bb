// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/pingpong/options.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace vmmc::bench {
namespace {

std::variant<Options, int> parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "pingpong");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

Options parsed(const std::vector<std::string>& arguments) {
  const auto result = parse(arguments);
  REQUIRE(std::holds_alternative<Options>(result));
  return std::get<Options>(result);
}

TEST_CASE("without arguments everything is measured, from 4 bytes to 16 MiB") {
  const Options options = parsed({});
  for (const char* mode : {"pingpong", "bandwidth", "rate", "fixed-rate"})
    CHECK(options.wants(mode));
  CHECK(options.sizes.front() == 4);
  CHECK(options.sizes.back() == 16 * 1024 * 1024);
  CHECK(options.executor == VMMC_EXECUTOR_AUTO);
  CHECK(options.wait == VMMC_WAIT_ADAPTIVE);
  CHECK(options.placement == default_placement(allowed_cores().size()));
}

TEST_CASE("options are taken over") {
  const Options options =
      parsed({"--mode", "bandwidth", "--size", "16Ki", "--size", "64", "--executor", "nic",
              "--wait", "block", "--placement", "none", "--json"});
  CHECK(options.wants("bandwidth"));
  CHECK_FALSE(options.wants("pingpong"));
  CHECK(options.sizes == std::vector<std::uint64_t>{16384, 64});
  CHECK(options.executor == VMMC_EXECUTOR_NIC);
  CHECK(options.wait == VMMC_WAIT_BLOCK);
  CHECK(options.placement == Placement::kNone);
  CHECK(options.json);
}

TEST_CASE("mistakes are refused") {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--size", "6"},
                                             {"--size", "0"},
                                             {"--size", "128Mi"},
                                             {"--size", "many"},
                                             {"--size", "-4"},
                                             {"--mode", "pong"},
                                             {"--wait", "sleep"},
                                             {"--executor", "dma"},
                                             {"--placement", "left"},
                                             {"--rate", "0"},
                                             {"--colour"}}) {
    CAPTURE(arguments[0]);
    const auto result = parse(arguments);
    REQUIRE(std::holds_alternative<int>(result));
    CHECK(std::get<int>(result) == 2);
  }
}

}  // namespace
}  // namespace vmmc::bench
