// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// What is said of real-time datagrams.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tools/vmmctrace/fields.h"
#include "tools/vmmctrace/packets.h"
#include "tools/vmmctrace/testing/sample_traces.h"

namespace vmmc::trace_tool {
namespace {

TraceFile read_sample() {
  const std::string path = testing::make_datagrams().save(std::string(std::getenv("TEST_TMPDIR")) +
                                                          "/datagrams.vmmctrace");
  auto trace = TraceFile::read(path);
  REQUIRE(std::holds_alternative<TraceFile>(trace));
  return std::move(std::get<TraceFile>(trace));
}

TEST_CASE("the fields of a page that is lent, of a loss and of a refusal") {
  const TraceFile trace = read_sample();
  const auto text = [&](std::size_t n) { return field_text(trace.records()[n]); };
  const std::string one = "operation=1 kind=real_time_datagram ";
  const std::string ends = "peer=1 process=1 peer_process=2 buffer=7 ";
  CHECK(text(0) == one + ends + "length=100 offset=0 value=41");
  CHECK(text(2) == one + "packet=0 " + ends + "page=9 length=100 offset=0 last_packet lends_page");
  CHECK(text(3) == one +
                       "packet=0 peer=0 process=2 peer_process=1 buffer=7 page=9 length=100 "
                       "offset=0 content=64617461 last_packet lends_page");
  CHECK(text(4) ==
        one + "status=OK " + ends + "page=9 length=100 offset=0 value=1000000 lends_page");
  const std::size_t last = trace.records().size() - 1;
  CHECK(text(last - 2).find("status=DATAGRAM_LOST") != std::string::npos);
  CHECK(text(last).find("status=OVER_BUDGET") != std::string::npos);
  CHECK(text(last).find("lends_page") == std::string::npos);
}

TEST_CASE("each packet's two ends, and the sentences of them") {
  const TraceFile trace = read_sample();
  const Packets packets(trace, trace.by_time());
  std::vector<std::string> said;
  for (std::uint32_t n = 0; n < trace.records().size(); ++n) {
    const Record& record = trace.records()[n];
    if (!is_packet_event(record)) continue;
    CHECK(packets.other_end(n) != Packets::kNone);
    const std::string sentence = packet_sentence(record);
    said.push_back(sentence.substr(sentence.find(": ") + 2));
  }
  CHECK(said == std::vector<std::string>{
                    "100 bytes for channel 7 at 0 are sent",
                    "100 bytes for channel 7 at 0 have arrived in a page that is lent",
                    "4096 bytes for channel 7 at 0 are sent",
                    "4096 bytes for channel 7 at 0 are written to memory",
                    "904 bytes for channel 7 at 4096 are sent",
                    "904 bytes for channel 7 at 4096 are lost: the fault plan drops the packet"});
}

}  // namespace
}  // namespace vmmc::trace_tool
