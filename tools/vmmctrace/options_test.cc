// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/options.h"

#include <doctest/doctest.h>

#include <vector>

#include "tools/vmmctrace/exit_code.h"

namespace vmmc::trace_tool {
namespace {

std::variant<Options, EarlyExit> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "vmmctrace");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

Options accepted(std::vector<const char*> arguments) {
  const auto outcome = parse(std::move(arguments));
  if (const auto* exit = std::get_if<EarlyExit>(&outcome)) FAIL(exit->text);
  return std::get<Options>(outcome);
}

std::string refused(std::vector<const char*> arguments) {
  const auto outcome = parse(std::move(arguments));
  REQUIRE(std::holds_alternative<EarlyExit>(outcome));
  CHECK(std::get<EarlyExit>(outcome).exit_code == kExitUsage);
  return std::get<EarlyExit>(outcome).text;
}

TEST_CASE("every format has its writer") {
  CHECK((accepted({"info", "f"}).write == write_info));
  CHECK((accepted({"text", "f"}).write == write_text));
  CHECK((accepted({"perfetto", "f"}).write == write_perfetto));
  CHECK((accepted({"pcapng", "f"}).write == write_pcapng));
  CHECK((accepted({"csv", "f"}).write == write_csv));
  CHECK((accepted({"run", "f"}).write == write_run));
  CHECK(accepted({"pcapng", "f"}).binary);
  CHECK_FALSE(accepted({"csv", "f"}).binary);
}

TEST_CASE("defaults and options") {
  const Options options = accepted({"csv", "f"});
  CHECK(options.input == "f");
  CHECK(options.output == "-");
  CHECK_FALSE(options.overwrite);
  const Options all = accepted({"csv", "--overwrite", "-o", "out", "f"});
  CHECK(all.output == "out");
  CHECK(all.overwrite);
  CHECK(accepted({"csv", "f", "--output=out"}).output == "out");
}

TEST_CASE("wrong command lines name what is wrong") {
  CHECK(refused({}).find("what is to be made") != std::string::npos);
  CHECK(refused({"svg", "f"}).starts_with("vmmctrace: "));
  CHECK(refused({"csv"}).find("FILE") != std::string::npos);
  CHECK(refused({"csv", ""}).find("FILE") != std::string::npos);
  CHECK(refused({"csv", "f", "--output="}).find("output") != std::string::npos);
  refused({"csv", "f", "g"});
  refused({"csv", "text", "f", "-x"});
}

TEST_CASE("help and version end with 0") {
  for (const char* option : {"--help", "--version"}) {
    const auto outcome = parse({option});
    REQUIRE(std::holds_alternative<EarlyExit>(outcome));
    CHECK(std::get<EarlyExit>(outcome).exit_code == 0);
    CHECK(std::get<EarlyExit>(outcome).text.find("trace") != std::string::npos);
  }
}

}  // namespace
}  // namespace vmmc::trace_tool
