// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// A nicsim with 200 processes, each with a buffer that its neighbour has imported.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <chrono>
#include <vector>

#include "tests/conformance/conformance.h"
#include "tests/vmmcstat/vmmcstat_run.h"

using namespace vmmc::testing;
namespace json = boost::json;

namespace {

constexpr std::uint32_t kProcesses = 200;
constexpr std::uint32_t kBuffer = 1;

// Attaches as process `id`, says so, and imports from the next one, says so; stays until `stop` is
// closed.
[[noreturn]] void take_part(const NicsimProcess& nicsim, std::uint32_t id, int ready, int stop) {
  ::alarm(100);
  vmmc_init_options options = VMMC_INIT_DEFAULTS;
  options.socket = nicsim.socket().c_str();
  options.node = id % 4;
  options.process = id;
  bool good = vmmc_init(&options) == VMMC_OK;
  void* memory = nullptr;
  good = good && vmmc_alloc(4096, &memory) == VMMC_OK &&
         vmmc_export(memory, 4096, kBuffer, nullptr) == VMMC_OK;
  char byte = 'r';
  (void)!::write(ready, &byte, 1);
  const std::uint32_t next = (id + 1) % kProcesses;
  void* proxy = nullptr;
  good = good && vmmc_import({next % 4, next}, kBuffer, nullptr, &proxy, nullptr) == VMMC_OK;
  if (!good) ::_exit(1);
  (void)!::write(ready, &byte, 1);
  (void)!::read(stop, &byte, 1);
  ::_exit(0);
}

}  // namespace

TEST_CASE("200 processes are all shown, each with its importer") {
  NicsimProcess nicsim;
  int ready[2];
  int stop[2];
  REQUIRE(::pipe(ready) == 0);
  REQUIRE(::pipe(stop) == 0);
  std::vector<pid_t> children;
  for (std::uint32_t id = 0; id < kProcesses; ++id) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(stop[1]);
      take_part(nicsim, id, ready[1], stop[0]);
    }
    children.push_back(child);
    // Who attaches has a few seconds for it: not all at once. Imports wait for the last of all.
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
  }
  ::close(ready[1]);
  ::close(stop[0]);
  std::uint32_t there = 0;
  for (char byte; there < kProcesses && ::read(ready[0], &byte, 1) == 1;) ++there;
  REQUIRE(there == kProcesses);

  const json::object snapshot = json_of(nicsim.socket());
  CHECK(snapshot.at("processes").as_array().size() == kProcesses);
  CHECK(snapshot.at("exports").as_array().size() == kProcesses);
  CHECK(snapshot.at("imports").as_array().size() == kProcesses);
  CHECK(snapshot.at("outgoing_pages").as_array().size() == kProcesses);
  CHECK(snapshot.at("incoming_pages").as_array().size() == kProcesses);
  for (const json::value& each : snapshot.at("exports").as_array()) {
    const json::object& buffer = each.as_object();
    REQUIRE(buffer.at("importers").as_array().size() == 1);
    const json::object& importer = buffer.at("importers").as_array()[0].as_object();
    const auto owner = buffer.at("process").to_number<std::uint32_t>();
    CHECK(importer.at("process").to_number<std::uint32_t>() ==
          (owner + kProcesses - 1) % kProcesses);
  }
  const StatRun picture = run_vmmcstat(nicsim.socket(), "processes --once");
  CHECK(picture.exit_code == 0);
  CHECK(picture.output.find("200 processes, 200 exports, 200 imports") != std::string::npos);
  CHECK(run_vmmcstat(nicsim.socket(), "--openmetrics").output.ends_with("\n# EOF\n"));

  ::close(stop[1]);
  for (const pid_t child : children) {
    int status = 1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  ::close(ready[0]);
}
