// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tools/vmmcstat/options.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "tools/vmmcstat/exit_code.h"

using namespace vmmc::stat;

namespace {

std::variant<Options, EarlyExit> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "vmmcstat");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

Options good(const std::vector<const char*>& arguments) {
  auto parsed = parse(arguments);
  if (const auto* early = std::get_if<EarlyExit>(&parsed)) FAIL(early->text);
  return std::get<Options>(parsed);
}

void check_mistake(const std::vector<const char*>& arguments) {
  const auto parsed = parse(arguments);
  CAPTURE(arguments.back());
  REQUIRE(std::holds_alternative<EarlyExit>(parsed));
  CHECK(std::get<EarlyExit>(parsed).exit_code == kExitUsage);
  CHECK(std::get<EarlyExit>(parsed).text.starts_with("vmmcstat: "));
}

}  // namespace

TEST_CASE("without arguments the overview of the usual nicsim is watched") {
  ::unsetenv("VMMC_SOCKET");
  const Options options = good({});
  CHECK(options.action == Action::kWatch);
  CHECK(options.view == View::kOverview);
  CHECK(options.socket == "@vmmc-" + std::to_string(::getuid()));
  CHECK_FALSE(options.interval.has_value());
  ::setenv("VMMC_SOCKET", "@other", 1);
  CHECK(good({}).socket == "@other");
  CHECK(good({"--socket", "/path"}).socket == "/path");
  ::setenv("VMMC_SOCKET", "", 1);
  CHECK(good({}).socket == "@vmmc-" + std::to_string(::getuid()));
}

TEST_CASE("every view has a command, and options may stand on both sides") {
  for (const ViewName& each : kViews) {
    const Options options = good({"--socket", "@a", each.name, "--once", "--interval", "0.5"});
    CHECK(options.view == each.view);
    CHECK(options.action == Action::kOnce);
    CHECK(options.socket == "@a");
    CHECK(options.interval == std::chrono::milliseconds(500));
  }
}

TEST_CASE("documents") {
  CHECK(good({"--json"}).action == Action::kJson);
  CHECK(good({"--json", "--interval", "2"}).interval == std::chrono::seconds(2));
  CHECK(good({"--openmetrics"}).action == Action::kOpenMetrics);
  check_mistake({"--json", "--openmetrics"});
  check_mistake({"--json", "--once"});
  check_mistake({"errors", "--json"});
  check_mistake({"--openmetrics", "--interval", "1"});
}

TEST_CASE("the trace") {
  CHECK(good({"trace", "start"}).action == Action::kStartTrace);
  CHECK(good({"trace", "start", "--records", "5000"}).records == 5000);
  CHECK(good({"trace", "stop", "--socket", "@b"}).socket == "@b");
  const Options stop = good({"trace", "stop", "file", "--overwrite"});
  CHECK(stop.action == Action::kStopTrace);
  CHECK(stop.file == "file");
  CHECK(stop.overwrite);
  const Options save = good({"trace", "save", "file"});
  CHECK(save.action == Action::kSaveTrace);
  CHECK_FALSE(save.overwrite);
  check_mistake({"trace"});
  check_mistake({"trace", "save"});
  check_mistake({"trace", "start", "file"});
  check_mistake({"trace", "start", "--records", "0"});
  check_mistake({"trace", "start", "--records", "16777217"});
  check_mistake({"trace", "save", "file", "--json"});
  check_mistake({"trace", "stop", "--interval", "1"});
}

TEST_CASE("mistakes") {
  check_mistake({"nonsense"});
  check_mistake({"--nonsense"});
  check_mistake({"errors", "exports"});
  check_mistake({"--interval", "0"});
  check_mistake({"--interval", "-1"});
  check_mistake({"--interval", "x"});
  check_mistake({"--interval", "nan"});
  check_mistake({"--socket", ""});
}

TEST_CASE("help and version end with 0") {
  for (const char* option : {"--help", "--version"}) {
    const auto parsed = parse({option});
    REQUIRE(std::holds_alternative<EarlyExit>(parsed));
    CHECK(std::get<EarlyExit>(parsed).exit_code == 0);
    CHECK(std::get<EarlyExit>(parsed).text.find("vmmcstat") != std::string::npos);
  }
}
