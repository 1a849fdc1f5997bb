// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A descriptor of the kind that only real-time datagrams have in a trace.

#include <doctest/doctest.h>

#include "nicsim/testing/engine_fixture.h"
#include "nicsim/testing/trace_reader.h"

using namespace vmmc;
using nicsim::testing::records_of;

TEST_CASE_FIXTURE(nicsim::testing::EngineFixture,
                  "a descriptor of a datagram's kind is refused, and not traced as a datagram") {
  const auto import = connect(0, 4096);
  auto& trace = machine.instruments().trace;
  REQUIRE(trace.start(nicsim::Trace::kLeastRecords) == 0);
  const auto ticket =
      sender.post_operation(import, 0, static_cast<wire::Operation>(wire::kTraceRealTimeDatagram),
                            wire::LocalPlace::kSegment, sender.local(8, 0));
  CHECK(outcome(ticket) == wire::Status::kMalformed);
  REQUIRE(records_of(trace, wire::TraceEvent::kRefused).size() == 1);
  for (const auto* record : records_of(trace)) CHECK(record->kind == 0);
}
