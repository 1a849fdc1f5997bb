// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who looks at the parts while they work, and who interferes: the trace and the fault plan. Each part is
// given the same probes; with none, which is the default, it works for itself.
//
// Slices. What a part says to have done since a time is a slice on that part's track of its node; slices
// of one track do not overlap: format and send has one packet at a time, and the bus, in each direction,
// one holder. What can happen twice at once on a node is an instant: an initiation, as each process is
// charged as if it had the processor for itself; an interrupt, for the same reason; a packet's way
// through the backplane, as several are on their way to one node.
//
// Threads: one.
#pragma once

#include <cstdint>

#include "nicsim/fault_plan.h"
#include "nicsim/parts/event_queue.h"
#include "nicsim/trace/trace.h"
#include "nicsim/wire/trace_record.h"

namespace vmmc::nicsim::parts {

struct NetworkPacket;
struct Operation;

// What a part has done, at the queue's now().
struct Step {
  wire::TraceEvent event;
  wire::TraceEngine engine;
  std::uint32_t node;                     // where
  const NetworkPacket* packet = nullptr;  // of it, or ...
  const Operation* operation = nullptr;   // ... of this one, [offset, offset + length) of its bytes
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  Time since = kNever;  // a slice: when it began
  std::uint64_t value = 0;
  bool refused = false;
};

class Tracer {
 public:
  virtual ~Tracer() = default;
  // Only while the trace is on.
  virtual void happened(const Step& step) = 0;
};

struct Probes {
  const Trace* trace = nullptr;
  Tracer* tracer = nullptr;  // nullptr: as if the trace were off
  FaultPlan* faults = nullptr;

  bool trace_is_on() const { return tracer != nullptr && trace->on(); }
  bool faults_are_planned() const { return faults != nullptr && !faults->empty(); }
};

}  // namespace vmmc::nicsim::parts
