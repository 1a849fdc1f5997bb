// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// A parallel program under nicsim --trace; then every view of the trace says the same as the program's own
// counters.
#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/conformance/automatic_update.h"
#include "tests/conformance/conformance.h"
#include "tests/trace/tool_run.h"
#include "vmmc/remote_access.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint32_t kParts = 3;
constexpr std::uint32_t kRounds = 12;
constexpr std::size_t kBlock = 3 * 4096;  // of the neighbour's buffer, for deliberate updates
constexpr std::size_t kStored = kBlock;   // a page for automatic updates
constexpr std::size_t kFlags = 4 * 4096;
constexpr std::size_t kBytes = 5 * 4096;

struct Directory {
  char path[32] = "/tmp/vmmctrace-XXXXXX";
  Directory() { REQUIRE(::mkdtemp(path) != nullptr); }
  ~Directory() { std::filesystem::remove_all(path); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  std::string file(const char* name) const { return std::string(path) + "/" + name; }
};

// What the parts' counters say, in words that they share.
enum Sum { kPackets, kFetches, kAtomics, kDone };

void add_counters(Part& part) {
  vmmc_counters counters{};
  EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
  EXPECT(counters.host_executor_sends == 0);
  part.value(kPackets) += counters.packets_sent;
  part.value(kFetches) += counters.fetches;
  part.value(kAtomics) += counters.atomics;
}

// For the test: the parts' words go with them.
void leave_sums(Part& part, const std::string& path) {
  std::ofstream file(path);
  for (const Sum sum : {kPackets, kFetches, kAtomics}) file << part.value(sum) << ' ';
  file.close();
  EXPECT(file.good());
}

// Each part works on its right neighbour's buffer, round by round, and waits for its left one.
void take_part(Part& part) {
  attach();
  unsigned char* const mine = export_new(kBytes, 1);
  const std::uint32_t right = (part.number() + 1) % kParts;
  const Proxy there = import_by(VMMC_EXECUTOR_AUTO, right, 1, VMMC_READ | VMMC_WRITE);
  auto* const block = static_cast<unsigned char*>(allocate(kBlock));
  auto* const stored = static_cast<unsigned char*>(allocate(kPage));
  vmmc_binding* const binding = bind(stored, there.address + kStored, kPage,
                                     bind_options(VMMC_CAPTURE_TYPED, VMMC_COMBINE_BLOCK));
  const auto* const turn = reinterpret_cast<const std::uint64_t*>(mine + kFlags);
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    const std::size_t length = round % 3 == 0 ? kBlock : 8 * round;
    std::memset(block, static_cast<int>(round), length);
    EXPECT(vmmc_send(block, there.address, length) == VMMC_OK);
    for (std::size_t i = 0; i < round; ++i) {
      EXPECT(vmmc_au_store64(binding, reinterpret_cast<std::uint64_t*>(stored) + i, round) ==
             VMMC_OK);
    }
    EXPECT(vmmc_fence() == VMMC_OK);  // what has been combined leaves
    std::uint64_t word = 0;
    EXPECT(vmmc_fetch(&word, there.address + kFlags + 64, sizeof word) == VMMC_OK);
    EXPECT(vmmc_fetch_add_64(there.address + kFlags + 128, 1, &word) == VMMC_OK);
    EXPECT(word == round - 1);
    EXPECT(vmmc_fence() == VMMC_OK);
    if (round == kRounds) EXPECT(vmmc_unbind(binding) == VMMC_OK);
    EXPECT(vmmc_send(&round, there.address + kFlags, sizeof round) == VMMC_OK);
    EXPECT(vmmc_fence() == VMMC_OK);
    EXPECT(vmmc_wait_64(turn, VMMC_AT_LEAST, round, VMMC_WAIT_ADAPTIVE, 30 * kSecond) == VMMC_OK);
    EXPECT(mine[0] >= round);
  }
}

struct Sums {
  std::uint64_t packets, fetches, atomics;
};

// Runs the program, and leaves its trace in `file`.
Sums trace_program(const Directory& directory, const std::string& file,
                   std::vector<std::string> arguments) {
  const std::string sums = directory.file("sums");
  arguments.insert(arguments.end(), {"--nodes", "1x4", "--trace", file});
  NicsimProcess nicsim(arguments);
  const auto work = [&](Part& part) {
    take_part(part);
    add_counters(part);
    if (++part.value(kDone) == kParts) leave_sums(part, sums);
    EXPECT(vmmc_finalize() == VMMC_OK);
  };
  run_processes(nicsim, {work, work, work});
  const int status = nicsim.terminate();
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  Sums result{};
  std::ifstream read(sums);
  read >> result.packets >> result.fetches >> result.atomics;
  REQUIRE(read.good());
  return result;
}

std::uint64_t lines_of(const std::string& text) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

// tshark with the dissector: how many frames there are of a filter.
std::uint64_t frames(const Directory& directory, const std::string& filter) {
  const ToolRun run =
      run_tool("env HOME=" + std::string(directory.path) +
               " tshark -X lua_script:tools/vmmctrace/vmmc.lua -r " + directory.file("run.pcapng") +
               " -Y '" + filter + "' -T fields -e frame.number 2> " + directory.file("complaints"));
  CAPTURE(run.output);
  CHECK(run.exit_code == 0);
  return lines_of(run.output);
}

void check_views(const Directory& directory, const std::string& file, const Sums& sums) {
  const ToolRun info = run_tool(kVmmctrace + "info " + file);
  CAPTURE(info.output);
  REQUIRE(info.exit_code == 0);
  CHECK(info.output.find("lost") == std::string::npos);
  const std::uint64_t records = number_after(info.output, "records  ");
  CHECK(number_after(info.output, "event    packet_sent ") >= sums.packets);

  CHECK(lines_of(run_tool(kVmmctrace + "text " + file).output) == records);
  CHECK(lines_of(run_tool(kVmmctrace + "csv " + file).output) == records + 1);  // the header

  const std::string perfetto = directory.file("perfetto.json");
  CHECK(run_tool(kVmmctrace + "perfetto " + file + " -o " + perfetto).exit_code == 0);
  const ToolRun checked = run_tool("python3 tools/vmmctrace/testing/check_perfetto.py " + perfetto);
  CAPTURE(checked.output);
  CHECK(checked.exit_code == 0);
  CHECK(number_after(checked.output, " instants, ") >= sums.packets);  // arrows

  const std::string run = directory.file("run.json");
  CHECK(run_tool(kVmmctrace + "run " + file + " -o " + run).exit_code == 0);
  const ToolRun parsed = run_tool(
      "python3 -c 'import json, sys; run = json.load(open(sys.argv[1])); "
      "print(sum(len(each[\"message\"].get(\"records\", [])) for each in run[\"messages\"]))' " +
      run);
  CAPTURE(parsed.output);
  CHECK(number_after(parsed.output, "") == records);

  CHECK(run_tool(kVmmctrace + "pcapng " + file + " -o " + directory.file("run.pcapng")).exit_code ==
        0);
  // In real time an atomic operation counts as a packet, too.
  const bool simulated = info.output.find("simulated, model shrimp-2") != std::string::npos;
  const std::uint64_t updates = sums.packets - (simulated ? 0 : sums.atomics);
  CHECK(frames(directory, "vmmc.event == 23 && vmmc.kind <= 2") == updates);
  CHECK(frames(directory, "vmmc.event == 26 && vmmc.kind <= 2") == updates);
  CHECK(frames(directory, "vmmc.event == 26 && vmmc.kind == 3") == sums.fetches);
  CHECK(frames(directory, "vmmc.event == 26 && vmmc.kind == 4") == sums.atomics);
  CHECK(frames(directory, "vmmc.refused || vmmc.lost || vmmc.unknown") == 0);
  CHECK(frames(directory, "vmmc.sent_in && vmmc.kind <= 2") == updates);
  CHECK(sums.fetches == kParts * kRounds);
  CHECK(sums.atomics == kParts * kRounds);
  CHECK(sums.packets >= kParts * kRounds * 3);
}

}  // namespace

TEST_CASE("real time") {
  const Directory directory;
  const std::string file = directory.file("real.vmmctrace");
  check_views(directory, file, trace_program(directory, file, {}));
}

TEST_CASE("simulated time") {
  const Directory directory;
  const std::string file = directory.file("simulated.vmmctrace");
  check_views(directory, file,
              trace_program(directory, file, {"--model", "shrimp-2", "--expect", "3"}));
}
