// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/options.h"

#include <doctest/doctest.h>

#include <vector>

#include "tools/vmmcdump/exit_code.h"

using namespace vmmc::dump;

namespace {

std::variant<Options, EarlyExit> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "vmmcdump");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

Options good(const std::vector<const char*>& arguments) {
  auto parsed = parse(arguments);
  if (const auto* early = std::get_if<EarlyExit>(&parsed)) FAIL(early->text);
  return std::get<Options>(parsed);
}

void check_mistake(const std::vector<const char*>& arguments, const std::string& part = "") {
  const auto parsed = parse(arguments);
  CAPTURE(part);
  REQUIRE(std::holds_alternative<EarlyExit>(parsed));
  const EarlyExit& early = std::get<EarlyExit>(parsed);
  CAPTURE(early.text);
  CHECK(early.exit_code == kExitUsage);
  CHECK(early.text.starts_with("vmmcdump: "));
  CHECK(early.text.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("each source") {
  CHECK(good({"-i", "eth0"}).source == Source::kInterface);
  CHECK(good({"-i", "eth0"}).name == "eth0");
  CHECK(good({"-i", "any"}).name.empty());
  CHECK(good({"-r", "file"}).source == Source::kFile);
  CHECK(good({"-r", "-"}).name == "-");
  CHECK(good({"--backplane"}).node == VMMC_ANY);
  CHECK(good({"--backplane", "--node", "3"}).node == 3);
  const Options join = good({"--join", "1:22:333"});
  CHECK(join.source == Source::kJoin);
  CHECK(join.opener.node == 1);
  CHECK(join.opener.process == 22);
  CHECK(join.ring == 333);
}

TEST_CASE("no source, two sources, and options of another source") {
  check_mistake({}, "what is to be captured");
  check_mistake({"tcp"}, "what is to be captured");
  check_mistake({"-i", "a", "-r", "b"}, "only one");
  check_mistake({"--backplane", "--join", "1:2:3"}, "only one");
  check_mistake({"-r", "a", "--node", "1"}, "--node");
  check_mistake({"-i", "a", "--recorded-speed"}, "--recorded-speed");
  check_mistake({"-i", ""}, "empty");
  check_mistake({"-r", ""}, "empty");
  for (const char* wrong :
       {"", "1", "1:2", "1:2:", "a:b:c", "1:2:3:4", "-1:2:3", "1:2:4294967296"}) {
    check_mistake({"--join", wrong}, "NODE:PROCESS:ID");
  }
}

TEST_CASE("the ring") {
  const Options usual = good({"-r", "a"});
  CHECK(usual.ring_options.blocks == 64);
  CHECK(usual.ring_options.block_bytes == 262'144);
  CHECK(usual.ring_options.snap_length == 65'536);
  CHECK(usual.ring_options.sharing == VMMC_RING_EXCLUSIVE);
  CHECK(usual.ring_options.pace == VMMC_RING_FULL_SPEED);
  const Options other = good({"-r", "a", "--blocks", "7", "--block-size", "8192", "-s", "100",
                              "--mirror", "--recorded-speed", "--id", "9"});
  CHECK(other.ring_options.blocks == 7);
  CHECK(other.ring_options.block_bytes == 8192);
  CHECK(other.ring_options.snap_length == 100);
  CHECK(other.ring_options.sharing == VMMC_RING_MIRRORED);
  CHECK(other.ring_options.pace == VMMC_RING_RECORDED_SPEED);
  CHECK(other.ring == 9);
  CHECK(good({"-r", "a", "--by-flow"}).ring_options.spread == VMMC_RING_BY_FLOW);
}

TEST_CASE("a block grows with the snap length unless its size is given") {
  const Options options = good({"-r", "a", "-s", "262144"});
  CHECK(options.ring_options.block_bytes == 266'240);
  check_mistake({"-r", "a", "-s", "262144", "--block-size", "262144"}, "--block-size");
  CHECK(good({"-r", "a", "-s", "4000", "--block-size", "4096"}).ring_options.block_bytes == 4096);
  check_mistake({"-r", "a", "-s", "4001", "--block-size", "4096"}, "--block-size");
}

TEST_CASE("rings that cannot be") {
  check_mistake({"-r", "a", "--blocks", "1"});
  check_mistake({"-r", "a", "--blocks", "4097"});
  check_mistake({"-r", "a", "-s", "0"});
  check_mistake({"-r", "a", "-s", "262145"});
  check_mistake({"-r", "a", "-s", "1", "--block-size", "5000"}, "multiple");
  check_mistake({"-r", "a", "--block-size", "16777217"});
  check_mistake({"-r", "a", "--blocks", "4096", "--block-size", "266240"}, "1 GiB");
  check_mistake({"-r", "a", "--mirror", "--by-flow"}, "--by-flow");
  check_mistake({"--join", "1:2:3", "--mirror"}, "opener");
  check_mistake({"--join", "1:2:3", "--blocks", "8"}, "opener");
}

TEST_CASE("output and filter") {
  const Options options =
      good({"-r", "a", "-w", "out", "--overwrite", "-c", "12", "tcp", "port", "80"});
  CHECK(options.output == "out");
  CHECK(options.overwrite);
  CHECK(options.count == 12);
  CHECK(options.filter == "tcp port 80");
  CHECK_FALSE(options.prints_frames());
  CHECK(good({"-r", "a", "-x"}).prints_frames());
  CHECK_FALSE(good({"-r", "a", "-q"}).prints_frames());
  CHECK(good({"-r", "a", "not (tcp or udp)"}).filter == "not (tcp or udp)");
  check_mistake({"-r", "a", "-w", ""}, "empty");
  check_mistake({"-r", "a", "--overwrite"}, "--overwrite");
  check_mistake({"-r", "a", "-x", "-q"}, "-x");
  check_mistake({"-r", "a", "-x", "-w", "b"}, "-x");
  check_mistake({"-r", "a", "-c", "0"});
  check_mistake({"-r", "a", "-c", "-1"});
  check_mistake({"-r", "a", "--nonsense"});
}

TEST_CASE("help and version end with 0") {
  for (const char* option : {"--help", "--version"}) {
    const auto parsed = parse({option});
    REQUIRE(std::holds_alternative<EarlyExit>(parsed));
    CHECK(std::get<EarlyExit>(parsed).exit_code == 0);
    CHECK(std::get<EarlyExit>(parsed).text.find("vmmcdump") != std::string::npos);
  }
}
