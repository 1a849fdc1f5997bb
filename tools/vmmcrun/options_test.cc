// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/options.h"

#include <doctest/doctest.h>

#include "nicsim/wire/version.h"
#include "tools/vmmcrun/exit_code.h"

namespace vmmc::run {
namespace {

std::variant<Options, EarlyExit> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "vmmcrun");
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

using Words = std::vector<std::string>;

TEST_CASE("defaults") {
  const Options options = accepted({"-n", "3", "program"});
  CHECK(options.processes == 3);
  CHECK(options.nodes == 4);
  CHECK(options.nodes_text == "4");
  CHECK(options.socket.empty());
  CHECK(options.nicsim.empty());
  CHECK(options.model.empty());
  CHECK(options.parameters.empty());
  CHECK_FALSE(options.prefix);
  CHECK(options.command == Words{"program"});
}

TEST_CASE("every option") {
  const Options options =
      accepted({"--prefix", "-n2", "--nodes", "2x3", "--socket=@name", "program"});
  CHECK(options.processes == 2);
  CHECK(options.nodes == 6);
  CHECK(options.nodes_text == "2x3");
  CHECK(options.socket == "@name");
  CHECK(options.prefix);
  CHECK(accepted({"-n1", "--nicsim", "/a/b", "program"}).nicsim == "/a/b");
  CHECK(accepted({"-n1", "--record", "file", "program"}).record == "file");
}

TEST_CASE("a timing model and its parameters") {
  const Options options = accepted({"-n1", "--param", "a.b=1", "--model", "shrimp-2",
                                    "--param=c.d=x y", "program", "--param", "z"});
  CHECK(options.model == "shrimp-2");
  CHECK(options.parameters == Words{"a.b=1", "c.d=x y"});
  CHECK(options.command == Words{"program", "--param", "z"});
  CHECK(refused({"-n1", "--param", "a.b=1", "program"}).find("--param needs --model") !=
        std::string::npos);
  const std::string mistake = refused({"-n1", "--model", "shrimp-2", "--socket", "@a", "program"});
  CHECK(mistake.find("--socket excludes --model") != std::string::npos);
  refused({"-n1", "--param", "a.b=1", "--socket", "@a", "program"});
}

TEST_CASE("what follows the program belongs to the program") {
  CHECK(accepted({"-n", "1", "program", "-n", "7", "--prefix", "--", "--help", "-x"}).command ==
        Words{"program", "-n", "7", "--prefix", "--", "--help", "-x"});
  CHECK_FALSE(accepted({"-n", "1", "program", "--prefix"}).prefix);
  CHECK(accepted({"-n", "1", "--", "-odd", "--"}).command == Words{"-odd", "--"});
}

TEST_CASE("help and version end with 0") {
  const auto help = parse({"--help"});
  REQUIRE(std::holds_alternative<EarlyExit>(help));
  CHECK(std::get<EarlyExit>(help).exit_code == 0);
  CHECK(std::get<EarlyExit>(help).text.find("PROGRAM") != std::string::npos);
  const auto version = parse({"--version"});
  REQUIRE(std::holds_alternative<EarlyExit>(version));
  CHECK(std::get<EarlyExit>(version).exit_code == 0);
  CHECK(std::get<EarlyExit>(version).text.starts_with("vmmcrun " VMMC_VERSION_STRING));
}

TEST_CASE("wrong command lines name what is wrong") {
  CHECK(refused({"-n", "2"}).find("no program") != std::string::npos);
  CHECK(refused({"-n", "2", "--"}).find("no program") != std::string::npos);
  CHECK(refused({"program"}).find("-n is required") != std::string::npos);
  CHECK(refused({}).find("-n is required") != std::string::npos);
  CHECK(refused({"-n", "2", "--bogus", "program"}).find("--bogus") != std::string::npos);
  CHECK(refused({"-n", "2", "--socket="}).find("--socket") != std::string::npos);
  refused({"-n", "2", "--socket"});
  refused({"-n", "2", "--socket", "@a", "--nicsim", "b", "program"});
  for (const char* processes : {"0", "-1", "x", "", "2x", "70000", "99999999999999999999"}) {
    CAPTURE(processes);
    CHECK(refused({"-n", processes, "program"}).starts_with("vmmcrun: "));
  }
  for (const char* nodes : {"0", "x", "2x", "x2", "2x0", "2x2x2", "-4", "4097", "65536x65536"}) {
    CAPTURE(nodes);
    CHECK(refused({"-n", "1", "--nodes", nodes, "program"}).find("--nodes") != std::string::npos);
  }
}

}  // namespace
}  // namespace vmmc::run
