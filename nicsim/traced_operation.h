// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What all records of one operation say alike, in real and in simulated time, and how what is refused is
// noted: in the trace and in the error log, by one call.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <cstdint>

#include "nicsim/instruments.h"
#include "nicsim/process.h"
#include "nicsim/transfer.h"

namespace vmmc::nicsim {

// The operation as it is taken: it gets its number. `process` has asked for it; a descriptor that makes no
// sense, or whose import has gone, has no peer and no buffer.
TracedOperation identify(const Process& process, const Transfer& transfer,
                         Instruments& instruments);

// Whether the trace that is on has seen the operation begin: else it has no records of it, but of its
// failure.
bool is_in_trace(const Instruments& instruments, const TracedOperation& operation);

// An entry of that operation at its sender's node, and at its receiver's. Time: now.
TraceEntry at_sender(const Instruments& instruments, const TracedOperation& operation,
                     wire::TraceEvent event, wire::TraceEngine engine);
TraceEntry at_receiver(const Instruments& instruments, const TracedOperation& operation,
                       wire::TraceEvent event, wire::TraceEngine engine);

// An operation was refused, or has failed: `event` is kRefused or kCompleted.
void note_failed(Instruments& instruments, const TracedOperation& operation, wire::TraceEvent event,
                 wire::Status status);
// The receiving node has thrown a packet away, as it was not what was sent. kMalformed: a packet that
// makes no sense to who got it, which is what a wrong checksum says.
void note_corrupted(Instruments& instruments, const TracedOperation& operation);

// A control request was refused.
struct RefusedRequest {
  wire::MessageType type;
  wire::Status status;
  std::uint32_t node;
  std::uint32_t process = wire::kAnyProcess;
  std::uint32_t peer = wire::kAnyNode;
  std::uint32_t peer_process = wire::kAnyProcess;
  std::uint32_t buffer = ErrorLog::kNoBuffer;
};
void note_refused(Instruments& instruments, const RefusedRequest& request);

}  // namespace vmmc::nicsim
