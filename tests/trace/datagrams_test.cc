// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Real-time datagrams under nicsim --trace: what vmmctrace makes of the file.
#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/rtz/channels.h"
#include "tests/trace/tool_run.h"

using namespace vmmc::testing;

namespace {

constexpr std::size_t kPacket = 4096;
constexpr std::size_t kLong = 10'000;  // three packets
constexpr std::uint64_t kDatagrams = 40;
constexpr vmmc_rtz_budget kBudget{
    .messages = 10, .period = kMillisecond, .longest = kLong, .deadline = kSecond};

bool is_long(std::uint64_t number) { return number % 4 == 3; }
std::size_t length_of(std::uint64_t number) { return is_long(number) ? kLong : number * 100; }

struct Directory {
  char path[32] = "/tmp/datagrams-XXXXXX";
  Directory() { REQUIRE(::mkdtemp(path) != nullptr); }
  ~Directory() { std::filesystem::remove_all(path); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  std::string file(const char* name) const { return std::string(path) + "/" + name; }
};

// Channels that may have the host executor: the trace keeps them from it.
void run_program(const std::string& trace) {
  NicsimProcess nicsim({"--nodes", "1x2", "--trace", trace});
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           vmmc_rtz_channel* const channel = open(kBudget, 8);
                           part.meet();
                           for (std::uint64_t number = 0; number < kDatagrams; ++number) {
                             const vmmc_rtz_datagram datagram = receive(channel);
                             EXPECT(is_filled(datagram, number));
                             give_back(channel, datagram);
                           }
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           vmmc_rtz_channel* const channel = connect(0);
                           for (std::uint64_t number = 0; number < kDatagrams; ++number) {
                             send(channel, length_of(number), number);
                           }
                           part.meet();
                         }});
  const int status = nicsim.terminate();
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

std::string output_of(const std::string& command) {
  const ToolRun run = run_tool(kVmmctrace + command);
  CAPTURE(run.output);
  REQUIRE(run.exit_code == 0);
  return run.output;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t times = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++times;
  return times;
}

using Row = std::map<std::string, std::string>;

std::vector<Row> rows_of(const std::string& csv) {
  const auto cells = [](const std::string& line) {
    std::vector<std::string> result;
    std::istringstream stream(line.substr(0, line.find('\r')));
    for (std::string cell; std::getline(stream, cell, ',');) result.push_back(cell);
    return result;
  };
  std::istringstream stream(csv);
  std::string line;
  std::getline(stream, line);
  const auto names = cells(line);
  std::vector<Row> rows;
  while (std::getline(stream, line)) {
    const auto values = cells(line);
    Row row;
    for (std::size_t i = 0; i < values.size(); ++i) row[names.at(i)] = values[i];
    rows.push_back(row);
  }
  return rows;
}

// The records of each datagram, by its number.
std::vector<std::vector<Row>> datagrams_of(const std::string& csv) {
  std::map<std::string, std::uint64_t> number_of;  // by operation
  std::vector<std::vector<Row>> datagrams(kDatagrams);
  for (const Row& row : rows_of(csv)) {
    if (row.at("kind") != "real_time_datagram") continue;
    if (row.at("event") == "taken") number_of[row.at("operation")] = std::stoull(row.at("value"));
    datagrams.at(number_of.at(row.at("operation"))).push_back(row);
  }
  return datagrams;
}

std::string events_of(const std::vector<Row>& records) {
  std::string events;
  for (const Row& row : records) events += row.at("event") + " ";
  return events;
}

}  // namespace

TEST_CASE("the trace of nicsim holds every datagram, and each view shows it") {
  const Directory directory;
  const std::string trace = directory.file("trace");
  run_program(trace);
  const std::string packet = "packet_made packet_sent ";
  const std::string fragment = packet + "memory_written ";
  std::size_t packets = 0;
  const auto datagrams = datagrams_of(output_of("csv " + trace));
  for (std::uint64_t number = 0; number < kDatagrams; ++number) {
    CAPTURE(number);
    const auto& records = datagrams[number];
    CHECK(events_of(records) == (is_long(number)
                                     ? "taken " + fragment + fragment + fragment + "completed "
                                     : "taken " + packet + "packet_crossed completed "));
    packets += is_long(number) ? 3 : 1;
    REQUIRE_FALSE(records.empty());
    CHECK(records.front().at("length") == std::to_string(length_of(number)));
    CHECK(records.back().at("status") == "OK");
    CHECK(records.back().at("flags") == (is_long(number) ? "0" : "4"));
    for (const Row& row : records) CHECK(row.at("buffer") == std::to_string(kChannel));
  }
  CHECK(count(output_of("text " + trace), "kind=real_time_datagram") > packets * 3);
  // An arrow for each packet, lent or not.
  output_of("perfetto " + trace + " -o " + directory.file("perfetto.json"));
  const std::string perfetto = run_tool("cat " + directory.file("perfetto.json")).output;
  CHECK(count(perfetto, "\"ph\":\"s\"") == packets);
  CHECK(count(perfetto, "\"ph\":\"f\"") == packets);
  output_of("pcapng " + trace + " -o " + directory.file("packets.pcapng"));
  const std::string pcapng = run_tool("cat " + directory.file("packets.pcapng")).output;
  CHECK(count(pcapng, "have arrived in a page that is lent") == kDatagrams - kDatagrams / 4);
  CHECK(count(pcapng, "for channel " + std::to_string(kChannel)) == 2 * packets);
}
