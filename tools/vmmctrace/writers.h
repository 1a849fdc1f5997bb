// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The outputs: each writes a whole trace to a sink. Whether it could be written is known after Sink::close().
#pragma once

#include "tools/vmmctrace/sink.h"
#include "tools/vmmctrace/trace_file.h"

namespace vmmc::trace_tool {

// What is in it: the machine, what is lost, and how often each event stands in it.
void write_info(const TraceFile& trace, Sink& sink);

// One line for each record, in the order of their numbers.
void write_text(const TraceFile& trace, Sink& sink);

// RFC 4180: the fields of wire::TraceRecord, named as there; times are ps.
void write_csv(const TraceFile& trace, Sink& sink);

// The lab's run (lab/protocol.md): a hello without scenes, then records in the order of their times.
void write_run(const TraceFile& trace, Sink& sink);

// Chrome trace event JSON.
void write_perfetto(const TraceFile& trace, Sink& sink);

// The packet events, for Wireshark; docs/format.md has the header of the packets.
void write_pcapng(const TraceFile& trace, Sink& sink);

}  // namespace vmmc::trace_tool
