// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: what a trace holds.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <vector>

#include "nicsim/trace/trace.h"

namespace vmmc::nicsim::testing {

using Records = std::vector<const wire::TraceRecord*>;

inline Records records_of(const Trace& trace) {
  Records records;
  for (std::uint64_t n = 0; n < trace.written(); ++n) {
    REQUIRE(trace.find(n) != nullptr);
    records.push_back(trace.find(n));
  }
  return records;
}

inline Records records_of(const Trace& trace, wire::TraceEvent event) {
  Records records;
  for (const auto* record : records_of(trace)) {
    if (record->event == event) records.push_back(record);
  }
  return records;
}

inline std::vector<wire::TraceEvent> events_of(const Trace& trace) {
  std::vector<wire::TraceEvent> events;
  for (const auto* record : records_of(trace)) events.push_back(record->event);
  return events;
}

// The numbers of the operations that there are.
inline std::set<std::uint64_t> operations_of(const Trace& trace) {
  std::set<std::uint64_t> operations;
  for (const auto* record : records_of(trace)) {
    if (record->operation != 0) operations.insert(record->operation);
  }
  return operations;
}

}  // namespace vmmc::nicsim::testing
