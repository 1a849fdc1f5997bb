// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/traced_operation.h"

namespace vmmc::nicsim {
namespace {

const char* name_of(wire::Operation operation) {
  switch (operation) {
    case wire::Operation::kDeliberateUpdate:
      return "deliberate update";
    case wire::Operation::kAutomaticUpdate:
      return "automatic update";
    case wire::Operation::kFetch:
      return "fetch";
    case wire::Operation::kAtomic:
      return "atomic operation";
    case wire::Operation::kFlush:
      return "flush";
    case wire::Operation::kMark:
      return "mark";
  }
  return "descriptor";  // the client may have written anything
}

const char* name_of(wire::MessageType type) {
  using enum wire::MessageType;
  switch (type) {
    case kAttach:
      return "attach";
    case kRegisterSegment:
      return "register segment";
    case kReleaseSegment:
      return "release segment";
    case kExport:
      return "export";
    case kUnexport:
      return "unexport";
    case kImport:
      return "import";
    case kCancelImport:
      return "cancel import";
    case kUnimport:
      return "unimport";
    case kAcceptNotifications:
      return "accept notifications";
    case kListImporters:
      return "list importers";
    case kRedirect:
      return "redirect";
    case kEndRedirection:
      return "end redirection";
    case kReadCounters:
      return "read counters";
    case kWatch:
      return "watch";
    case kDeclareBinding:
      return "declare binding";
    case kEndBinding:
      return "end binding";
    case kOpenRing:
      return "open ring";
    case kJoinRing:
      return "join ring";
    case kCloseRing:
      return "close ring";
    default:
      return "request";
  }
}

// The error log's "none".
std::uint32_t or_none(bool known, std::uint32_t value, std::uint32_t none) {
  return known ? value : none;
}

ErrorLog::Key key_of(const TracedOperation& operation, wire::Status status, const char* what) {
  const bool known = operation.has_peer;
  return {status,
          what,
          operation.node,
          operation.process,
          or_none(known, operation.peer, wire::kAnyNode),
          or_none(known, operation.peer_process, wire::kAnyProcess),
          or_none(known, operation.buffer, ErrorLog::kNoBuffer)};
}

TraceEntry entry_of(const Instruments& instruments, const TracedOperation& operation,
                    wire::TraceEvent event, wire::TraceEngine engine) {
  return {.event = event,
          .engine = engine,
          .kind = operation.kind,
          .flags = operation.notifies ? wire::kTraceNotifies : std::uint8_t{0},
          .time = instruments.trace.now(),
          .operation = operation.number,
          .packet = operation.packets,
          .buffer = operation.buffer,
          .length = operation.length,
          .offset = operation.offset};
}

}  // namespace

TracedOperation identify(const Process& process, const Transfer& transfer,
                         Instruments& instruments) {
  TracedOperation operation;
  operation.number = instruments.next_operation();
  if (instruments.trace.on()) {
    operation.generation = instruments.trace.generation();
    operation.taken = instruments.trace.now();
  }
  operation.node = process.node;
  operation.process = process.id;
  operation.kind = wire::header_operation(transfer.descriptor.header);
  // Whatever the client has written: it is not taken for a datagram.
  if (operation.kind == wire::kTraceRealTimeDatagram) operation.kind = 0;
  operation.notifies = (wire::header_flags(transfer.descriptor.header) & wire::kNotify) != 0;
  operation.length = transfer.length;
  const DescriptorCopy& descriptor = transfer.descriptor;
  if (!transfer.has_destination() || descriptor.import_slot >= process.imports.size()) {
    return operation;
  }
  const Import& import = process.imports[descriptor.import_slot];
  if (import.generation != descriptor.import_generation || import.buffer == nullptr) {
    return operation;
  }
  const ExportedBuffer& buffer = *import.buffer;
  operation.has_peer = true;
  operation.peer = buffer.owner->node;
  operation.peer_process = buffer.owner->id;
  operation.buffer = buffer.id;
  operation.offset = descriptor.destination -
                     (std::uint64_t{import.first_page} * wire::kPageSize + buffer.page_offset);
  return operation;
}

bool is_in_trace(const Instruments& instruments, const TracedOperation& operation) {
  return instruments.trace.on() && operation.number != 0 &&
         operation.generation == instruments.trace.generation();
}

TraceEntry at_sender(const Instruments& instruments, const TracedOperation& operation,
                     wire::TraceEvent event, wire::TraceEngine engine) {
  TraceEntry entry = entry_of(instruments, operation, event, engine);
  entry.node = operation.node;
  entry.process = operation.process;
  entry.peer = operation.peer;
  entry.peer_process = operation.peer_process;
  return entry;
}

TraceEntry at_receiver(const Instruments& instruments, const TracedOperation& operation,
                       wire::TraceEvent event, wire::TraceEngine engine) {
  TraceEntry entry = entry_of(instruments, operation, event, engine);
  entry.node = operation.peer;
  entry.process = operation.peer_process;
  entry.peer = operation.node;
  entry.peer_process = operation.process;
  return entry;
}

void note_failed(Instruments& instruments, const TracedOperation& operation, wire::TraceEvent event,
                 wire::Status status) {
  instruments.errors.add(
      key_of(operation, status, name_of(static_cast<wire::Operation>(operation.kind))));
  if (!instruments.trace.on()) return;
  TraceEntry entry = at_sender(instruments, operation, event, wire::TraceEngine::kProcessor);
  entry.status = static_cast<std::int32_t>(status);
  entry.value = is_in_trace(instruments, operation) ? entry.time - operation.taken : 0;
  instruments.trace.write(entry);
}

// At the receiver, who has been sent it by the peer.
void note_corrupted(Instruments& instruments, const TracedOperation& operation) {
  instruments.errors.add({wire::Status::kMalformed, "packet", operation.peer,
                          operation.peer_process, operation.node, operation.process,
                          or_none(operation.has_peer, operation.buffer, ErrorLog::kNoBuffer)});
}

void note_refused(Instruments& instruments, const RefusedRequest& request) {
  instruments.errors.add({request.status, name_of(request.type), request.node, request.process,
                          request.peer, request.peer_process, request.buffer});
  if (!instruments.trace.on()) return;
  instruments.trace.write({.event = wire::TraceEvent::kRequestRefused,
                           .engine = wire::TraceEngine::kControlServer,
                           .time = instruments.trace.now(),
                           .status = static_cast<std::int32_t>(request.status),
                           .node = request.node,
                           .peer = request.peer == wire::kAnyNode ? 0 : request.peer,
                           .process = request.process,
                           .peer_process = request.peer_process,
                           .buffer = request.buffer == ErrorLog::kNoBuffer ? 0 : request.buffer,
                           .value = static_cast<std::uint64_t>(request.type)});
}

}  // namespace vmmc::nicsim
