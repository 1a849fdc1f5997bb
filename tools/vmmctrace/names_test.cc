// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/names.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <set>

#include "nicsim/wire/send_descriptor.h"
#include "nicsim/wire/status.h"

namespace vmmc::trace_tool {
namespace {

TEST_CASE("every number of the format has a name of its own") {
  std::set<std::string_view> events;
  for (int number = 0; number < 256; ++number) {
    events.insert(event_name(static_cast<wire::TraceEvent>(number)));
  }
  CHECK(events.size() == 9 + 13 + 3 + 3 + 1);  // and the empty one
  std::set<std::string_view> engines;
  for (int number = 0; number < wire::kTraceEngines; ++number) {
    engines.insert(engine_name(static_cast<wire::TraceEngine>(number)));
  }
  CHECK(engines.size() == wire::kTraceEngines);
  CHECK_FALSE(engines.contains(""));
  CHECK(engine_name(static_cast<wire::TraceEngine>(wire::kTraceEngines)).empty());
}

TEST_CASE("the words are the lab's") {
  CHECK(event_name(wire::TraceEvent::kPacketSent) == "packet_sent");
  CHECK(engine_name(wire::TraceEngine::kOutgoingFifo) == "outgoing_fifo");
  CHECK(kind_name(static_cast<std::uint8_t>(wire::Operation::kAutomaticUpdate)) ==
        "automatic_update");
  CHECK(kind_name(0).empty());
  CHECK(status_name(0) == "OK");
  CHECK(status_name(static_cast<std::int32_t>(wire::Status::kPermissionDenied)) ==
        "PERMISSION_DENIED");
  CHECK(status_name(-12345) == "-12345");
  CHECK(spoken("outgoing_fifo") == "outgoing FIFO");
  CHECK(spoken("incoming_dma_engine") == "incoming DMA engine");
}

TEST_CASE("the dissector knows every status by the same name") {
  std::ifstream file("tools/vmmctrace/vmmc.lua");
  const std::string dissector{std::istreambuf_iterator<char>(file), {}};
  int known = 0;
  for (int status = -200; status <= 0; ++status) {
    const std::string number = std::to_string(status);
    const std::string name = status_name(status);
    if (name == number) continue;
    ++known;
    CAPTURE(name);
    CHECK(dissector.find('[' + number + "] = \"" + name + '"') != std::string::npos);
  }
  CHECK(known > 30);
}

}  // namespace
}  // namespace vmmc::trace_tool
