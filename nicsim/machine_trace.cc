// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the machine tells its instruments.

#include <utility>

#include "nicsim/machine.h"
#include "nicsim/traced_operation.h"

namespace vmmc::nicsim {
namespace {

// One whose buffer has gone names no peer any more.
void name_peer(TraceEntry& entry, const Import& import) {
  if (import.buffer == nullptr) return;
  entry.peer = import.buffer->owner->node;
  entry.peer_process = import.buffer->owner->id;
  entry.buffer = import.buffer->id;
}

}  // namespace

wire::Status Machine::start_trace(std::uint64_t records, platform::FileDescriptor file) {
  Trace& trace = instruments_->trace;
  if (trace.on()) return wire::Status::kTraceIsOn;
  const int error = trace.start(records == 0 ? Trace::kDefaultRecords : records, std::move(file));
  if (error != 0) return wire::Status::kOutOfMemory;
  change_watchers(true);
  trace_what_is_there();
  return wire::Status::kOk;
}

// So that who reads the trace knows whom its operations are between.
void Machine::trace_what_is_there() const {
  for (const auto& process : processes_) trace_process(wire::TraceEvent::kAttached, *process);
  for (const auto& process : processes_) {
    for (const auto& [id, buffer] : process->exports) {
      trace_export(wire::TraceEvent::kExported, *buffer);
    }
  }
  for (const auto& process : processes_) {
    for (std::uint32_t slot = 0; slot < process->imports.size(); ++slot) {
      if (process->imports[slot].buffer == nullptr) continue;
      trace_import(wire::TraceEvent::kImported, *process, slot);
    }
    for (const auto& [number, binding] : process->bindings) {
      trace_binding(wire::TraceEvent::kBound, *process, binding);
    }
  }
}

wire::Status Machine::stop_trace() {
  if (!instruments_->trace.on()) return wire::Status::kTraceIsOff;
  instruments_->trace.stop();
  change_watchers(false);
  return wire::Status::kOk;
}

// The status itself, after what is refused has been noted.
wire::Status Machine::noted(const Process& process, wire::MessageType type, wire::Status status,
                            std::uint32_t buffer) const {
  if (status == wire::Status::kOk) return status;
  note_refused(*instruments_, {.type = type,
                               .status = status,
                               .node = process.node,
                               .process = process.id,
                               .buffer = buffer});
  return status;
}

ImportAnswer Machine::refuse_import(const Process& importer, const wire::ImportRequest& request,
                                    wire::Status status) const {
  note_refused(*instruments_, {.type = wire::MessageType::kImport,
                               .status = status,
                               .node = importer.node,
                               .process = importer.id,
                               .peer = request.node,
                               .peer_process = request.process,
                               .buffer = request.buffer_id});
  ImportAnswer answer;
  answer.reply.header = request.header;
  answer.reply.header.status = status;
  return answer;
}

void Machine::trace_process(wire::TraceEvent event, const Process& process) const {
  Trace& trace = instruments_->trace;
  if (!trace.on()) return;
  trace.write({.event = event,
               .engine = wire::TraceEngine::kControlServer,
               .time = trace.now(),
               .node = process.node,
               .process = process.id});
}

void Machine::trace_export(wire::TraceEvent event, const ExportedBuffer& buffer) const {
  Trace& trace = instruments_->trace;
  if (!trace.on()) return;
  trace.write({.event = event,
               .engine = wire::TraceEngine::kControlServer,
               .time = trace.now(),
               .node = buffer.owner->node,
               .process = buffer.owner->id,
               .buffer = buffer.id,
               .page = buffer.first_incoming_page,
               .length = buffer.length});
}

void Machine::trace_binding(wire::TraceEvent event, const Process& process,
                            const DeclaredBinding& binding) const {
  Trace& trace = instruments_->trace;
  if (!trace.on()) return;
  TraceEntry entry{.event = event,
                   .engine = wire::TraceEngine::kControlServer,
                   .flags = binding.notifies ? wire::kTraceNotifies : std::uint8_t{0},
                   .time = trace.now(),
                   .node = process.node,
                   .process = process.id,
                   .length = binding.length,
                   .offset = binding.offset};
  name_peer(entry, process.imports[binding.import_slot]);
  trace.write(entry);
}

void Machine::trace_import(wire::TraceEvent event, const Process& importer,
                           std::uint32_t slot) const {
  Trace& trace = instruments_->trace;
  if (!trace.on()) return;
  const Import& import = importer.imports[slot];
  TraceEntry entry{.event = event,
                   .engine = wire::TraceEngine::kControlServer,
                   .time = trace.now(),
                   .node = importer.node,
                   .process = importer.id,
                   .page = import.first_page};
  name_peer(entry, import);
  if (import.buffer != nullptr) entry.length = import.buffer->length;
  trace.write(entry);
}

}  // namespace vmmc::nicsim
