// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Traces for tests: two nodes, process 1 on node 0 sends to buffer 5 of process 2 on node 1.
//
//   operation 1   deliberate update of 9192 bytes, three packets
//   operation 2   automatic update: two stores, combined
//   operation 3   refused by the receiving interface
//   operation 4   refused before it leaves
//   operations 5, 6   deliberate updates that notify; the second interrupt comes during the first
//   operation 7   its packet is dropped by the fault plan
#pragma once

#include "tools/vmmctrace/testing/trace_builder.h"

namespace vmmc::trace_tool::testing {

enum class Sample {
  kSimulated,
  kReal,     // no step has a duration
  kWrapped,  // as kSimulated, in a ring of 16 records
  kTorn,     // as kSimulated; records 7 and 20 are torn
  kEmpty,
};

TraceBuilder make_sample(Sample sample);

// Real-time datagrams of channel 7: a page that is lent, one of two fragments, of which the second
// is dropped, and one that is over the budget.
TraceBuilder make_datagrams();

// Packets and engines in no order at all: they overlap, are lost, and come twice.
TraceBuilder make_random(std::uint32_t seed);

}  // namespace vmmc::trace_tool::testing
