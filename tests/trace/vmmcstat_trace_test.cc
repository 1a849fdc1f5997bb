// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// `vmmcstat trace` beside a program that runs: from its start to its stop every transfer is seen, before and
// after it nothing is, and the program goes on as before.
#include <doctest/doctest.h>
#include <unistd.h>

#include <string>

#include "tests/conformance/conformance.h"
#include "tests/trace/tool_run.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint32_t kBuffer = 4;
constexpr std::uint32_t kSends = 300;

struct TemporaryFile {
  const std::string path = "/tmp/trace-" + random_name();
  TemporaryFile() = default;
  ~TemporaryFile() { ::unlink(path.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
};

ToolRun vmmcstat(const std::string& arguments) {
  return run_tool("tools/vmmcstat/vmmcstat --socket " + std::string(std::getenv("VMMC_SOCKET")) +
                  " " + arguments);
}

std::uint64_t sent_by_host() {
  vmmc_counters counters{};
  EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
  return counters.host_executor_sends;
}

void send_some(const Proxy& there) {
  for (std::uint32_t i = 0; i < kSends; ++i) send_word(i, there.address + 4 * (i % 64));
  EXPECT(vmmc_fence() == VMMC_OK);
}

void receive(Part& part) {
  attach();
  export_new(4096, kBuffer);
  part.meet();
  part.meet();
}

// Of `file`: the program sends before, while and after there is a trace of so many records.
void send_traced(Part& part, const std::string& file, const std::string& records,
                 std::string& said) {
  attach();
  part.meet();
  const Proxy there = import_by(VMMC_EXECUTOR_AUTO, 0, kBuffer);
  send_some(there);
  EXPECT(sent_by_host() == kSends);
  EXPECT(vmmcstat("trace start --records " + records).exit_code == 0);
  send_some(there);
  EXPECT(sent_by_host() == kSends);
  const ToolRun stopped = vmmcstat("trace stop " + file);
  EXPECT(stopped.exit_code == 0);
  said = stopped.output;
  send_some(there);
  EXPECT(sent_by_host() == 2 * kSends);
}

}  // namespace

TEST_CASE("what is sent while the trace is on is in it, and nothing else") {
  const TemporaryFile file;
  NicsimProcess nicsim;
  run_processes(nicsim, {receive, [&](Part& part) {
                           std::string said;
                           send_traced(part, file.path, "65536", said);
                           EXPECT(said.find("overwritten") == std::string::npos);
                           const ToolRun info = run_tool(kVmmctrace + "info " + file.path);
                           EXPECT(info.exit_code == 0);
                           EXPECT(number_after(said, "") == number_after(info.output, "records  "));
                           // Who is there comes first.
                           EXPECT(number_after(info.output, "event    attached ") == 2);
                           EXPECT(number_after(info.output, "event    exported ") == 1);
                           EXPECT(number_after(info.output, "event    imported ") == 1);
                           EXPECT(number_after(info.output, "event    packet_sent ") == kSends);
                           EXPECT(number_after(info.output, "event    memory_written ") == kSends);
                           EXPECT(vmmcstat("--once").exit_code == 0);
                           part.meet();
                         }});
}

TEST_CASE("a ring that is too small says so, by vmmcstat and in every view") {
  const TemporaryFile file;
  NicsimProcess nicsim;
  run_processes(nicsim,
                {receive, [&](Part& part) {
                   std::string said;
                   send_traced(part, file.path, "1024", said);
                   EXPECT(number_after(said, "") == 1024);
                   const std::uint64_t gone = number_after(said, "; ");
                   EXPECT(gone > 0);
                   EXPECT(said.find(" older ones had been overwritten") != std::string::npos);
                   const std::string loss =
                       std::to_string(gone) + " earlier records were overwritten";
                   for (const char* view : {"info", "text", "perfetto", "pcapng", "run", "csv"}) {
                     const ToolRun run =
                         run_tool(kVmmctrace + view + (" " + file.path) + " 2>&1 | tr -d '\\0'");
                     EXPECT(run.output.find(loss) != std::string::npos);
                   }
                   part.meet();
                 }});
}
