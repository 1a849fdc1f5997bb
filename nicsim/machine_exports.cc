// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The machine's exported buffers: made, taken back, and what their owners ask about them.

#include <algorithm>
#include <cstring>
#include <iterator>

#include "nicsim/machine.h"
#include "nicsim/named_pages.h"
#include "nicsim/wire/buffer_bell.h"

namespace vmmc::nicsim {
namespace {

wire::Status check_redirection(const ExportedBuffer* buffer, const wire::RedirectRequest& request) {
  if (buffer == nullptr) return wire::Status::kUnknownExport;
  if (!buffer->redirectable) return wire::Status::kNotRedirectable;
  if (request.length > wire::kMaxRedirectionBytes || request.extent_count > wire::kMaxExtents) {
    return wire::Status::kMalformed;
  }
  const bool inside =
      request.offset < buffer->length && request.length <= buffer->length - request.offset;
  return inside ? wire::Status::kOk : wire::Status::kOutsideProxy;
}

// Whether importers may be given the memory itself. A mapping knows whole pages, and reading and
// writing; it cannot be led elsewhere; and who has the descriptor reaches all of the segment.
bool can_be_lent(const Process& process, const wire::ExportRequest& request) {
  constexpr std::uint32_t kReadAndWrite = wire::kAccessRead | wire::kAccessWrite;
  if (request.executor != wire::ExecutorDemand::kAny || request.access != kReadAndWrite ||
      (request.flags & wire::kExportRedirectable) != 0 || request.extent_count != 1) {
    return false;
  }
  const wire::Extent& extent = request.extents[0];
  const Segment& segment = *process.segments.at(extent.segment);
  return segment.lendable() && request.page_offset == 0 && extent.first_page == 0 &&
         request.length >= wire::kLeastLentBytes &&
         segment.pages() == extent.pages + std::uint64_t{1};  // the bell
}

}  // namespace

wire::Status Machine::export_buffer(Process& process, const wire::ExportRequest& request) {
  return noted(process, wire::MessageType::kExport, make_export(process, request),
               request.buffer_id);
}

wire::Status Machine::make_export(Process& process, const wire::ExportRequest& request) {
  constexpr std::size_t kMaxExports = 65536;
  if (request.access == 0 || (request.access & ~(wire::kAccessRead | wire::kAccessWrite)) != 0 ||
      request.executor > wire::ExecutorDemand::kNic) {
    return wire::Status::kInvalidRights;
  }
  if ((request.flags & ~(wire::kExportNotifies | wire::kExportRedirectable)) != 0) {
    return wire::Status::kMalformed;
  }
  if (process.exports.contains(request.buffer_id)) return wire::Status::kDuplicateId;
  if (process.exports.size() >= kMaxExports) return wire::Status::kTooManyExports;
  if (request.page_offset % wire::kWordSize != 0) return wire::Status::kMisaligned;
  if (request.extent_count > wire::kMaxExtents) return wire::Status::kMalformed;
  FoundPages found;
  const wire::Status status = find_pages(
      process, {request.length, request.page_offset, {request.extents, request.extent_count}},
      found);
  if (status != wire::Status::kOk) return status;
  for (const auto& [start, end] : found.byte_runs) {
    auto next = process.exported_bytes.lower_bound({start.first, end});
    if (next != process.exported_bytes.begin()) {
      --next;
      if (next->first.first == start.first && next->second > start.second) {
        return wire::Status::kOverlap;
      }
    }
  }

  auto buffer = std::make_unique<ExportedBuffer>();
  buffer->owner = &process;
  buffer->id = request.buffer_id;
  buffer->length = request.length;
  buffer->page_offset = request.page_offset;
  buffer->rights = {request.access, request.user, request.node, request.process, request.executor};
  buffer->notifies = (request.flags & wire::kExportNotifies) != 0;
  buffer->redirectable = (request.flags & wire::kExportRedirectable) != 0;
  buffer->cookie = request.cookie;
  buffer->lendable = clock_ == wire::kRealTime && can_be_lent(process, request);
  buffer->pages = static_cast<std::uint32_t>(found.pages.frames.size());
  buffer->extents.assign(request.extents, request.extents + request.extent_count);
  buffer->segments = std::move(found.pages.segments);
  const auto first = backplane_.node(process.node)
                         .incoming_pages.enable(found.pages.frames, request.page_offset,
                                                request.length, buffer.get());
  if (!first) return wire::Status::kOutOfMemory;
  buffer->first_incoming_page = *first;
  allow_interrupts(*buffer);
  for (const auto& [start, end] : found.byte_runs) {
    process.exported_bytes[start] = end;
    buffer->byte_runs.push_back(start);
  }
  ExportedBuffer& exported = *buffer;
  process.exports[request.buffer_id] = std::move(buffer);
  if (recorder_ != nullptr) recorder_->exported(exported);
  trace_export(wire::TraceEvent::kExported, exported);
  settle_imports_of(exported);
  return wire::Status::kOk;
}

std::optional<wire::Status> Machine::unexport(Process& process,
                                              const wire::UnexportRequest& request) {
  ExportedBuffer* const found = find_own(process, request.buffer_id);
  if (found == nullptr) {
    return noted(process, wire::MessageType::kUnexport, wire::Status::kUnknownExport,
                 request.buffer_id);
  }
  ExportedBuffer& buffer = *found;
  buffer.closing = true;
  WaitingUnexport wait{&buffer, request.header, {}};
  const auto await = [&](Process& sender) {
    const std::uint64_t asked = sender.channel.published();
    if (asked <= sender.channel.completed()) return;
    wait.senders.emplace_back(&sender, asked);
    ++sender.awaited;
    replies_.attend(sender);
  };
  // The owner's own sends, too: he waits for them before he changes the memory.
  await(process);
  for (const auto& [importer, slot] : buffer.importers) await(*importer);
  waiting_unexports_.push_back(std::move(wait));
  settle_unexports();
  return std::nullopt;
}

void Machine::settle_unexports() {
  for (auto wait = waiting_unexports_.begin(); wait != waiting_unexports_.end();) {
    std::erase_if(wait->senders, [](const auto& sender) {
      const bool done = sender.first->channel.completed() >= sender.second;
      if (done) --sender.first->awaited;
      return done;
    });
    if (!wait->senders.empty()) {
      ++wait;
      continue;
    }
    Process& owner = *wait->buffer->owner;
    const wire::UnexportReply reply{wait->header, wait->buffer->lent ? 1u : 0u, 0};
    if (recorder_ != nullptr) recorder_->unexported(*wait->buffer);
    trace_export(wire::TraceEvent::kUnexported, *wait->buffer);
    revoke(*wait->buffer, wire::ImportPhase::kUnexported);
    for (const auto& start : wait->buffer->byte_runs) owner.exported_bytes.erase(start);
    owner.exports.erase(wait->buffer->id);
    wait = waiting_unexports_.erase(wait);
    replies_.unexport(owner, reply);
  }
}

bool Machine::waits_for_unexport(const Process& owner, std::uint32_t request) const {
  return std::any_of(waiting_unexports_.begin(), waiting_unexports_.end(), [&](const auto& wait) {
    return wait.buffer->owner == &owner && wait.header.request == request;
  });
}

void Machine::found_empty(Process& sender) {
  stop_waiting_for(sender);
  settle_unexports();
}

void Machine::stop_waiting_for(Process& sender) {
  for (WaitingUnexport& wait : waiting_unexports_) {
    std::erase_if(wait.senders, [&](const auto& waited) { return waited.first == &sender; });
  }
  sender.awaited = 0;
}

// Takes the pages out of the incoming page table, so that nothing can arrive any more, and tells
// the importers.
void Machine::revoke(ExportedBuffer& buffer, wire::ImportPhase phase) {
  backplane_.node(buffer.owner->node)
      .incoming_pages.disable(buffer.first_incoming_page, buffer.pages);
  for (const auto& [importer, slot] : buffer.importers) {
    Import& import = importer->imports[slot];
    import.phase = phase;
    importer->channel.set_import_state(slot, import.generation, phase);
    count_host_transfers(*importer, slot);
    import.buffer = nullptr;
  }
  buffer.importers.clear();
}

ExportedBuffer* Machine::find_own(Process& process, std::uint32_t buffer_id) {
  const auto found = process.exports.find(buffer_id);
  return found == process.exports.end() || found->second->closing ? nullptr : found->second.get();
}

void Machine::allow_interrupts(const ExportedBuffer& buffer) {
  const bool allowed =
      buffer.notifies && buffer.accepts_notifications && buffer.owner->accepts_notifications;
  backplane_.node(buffer.owner->node)
      .incoming_pages.allow_interrupts(buffer.first_incoming_page, buffer.pages, allowed);
}

wire::Status Machine::accept_notifications(Process& process,
                                           const wire::AcceptNotificationsRequest& request) {
  const auto refused = [&](wire::Status status) {
    return noted(process, wire::MessageType::kAcceptNotifications, status, request.buffer_id);
  };
  if (request.scope > wire::kAllBuffers || request.accept > 1) {
    return refused(wire::Status::kMalformed);
  }
  if (request.scope == wire::kAllBuffers) {
    process.accepts_notifications = request.accept != 0;
    for (const auto& [id, buffer] : process.exports) allow_interrupts(*buffer);
  } else if (ExportedBuffer* const buffer = find_own(process, request.buffer_id)) {
    buffer->accepts_notifications = request.accept != 0;
    allow_interrupts(*buffer);
  } else {
    return refused(wire::Status::kUnknownExport);
  }
  replies_.attend(process);
  return wire::Status::kOk;
}

wire::ListImportersReply Machine::list_importers(Process& process,
                                                 const wire::ListImportersRequest& request) const {
  wire::ListImportersReply reply{};
  reply.header = request.header;
  const ExportedBuffer* const buffer = find_own(process, request.buffer_id);
  if (buffer == nullptr) {
    reply.header.status = noted(process, wire::MessageType::kListImporters,
                                wire::Status::kUnknownExport, request.buffer_id);
    return reply;
  }
  reply.total = static_cast<std::uint32_t>(buffer->importers.size());
  if (request.first >= reply.total) return reply;
  auto importer = std::next(buffer->importers.begin(), request.first);
  for (; importer != buffer->importers.end() && reply.listed < wire::kMaxListedImporters;
       ++importer) {
    reply.importers[reply.listed++] = {importer->first->node, importer->first->id};
  }
  return reply;
}

wire::RedirectionReply Machine::redirect(Process& process, const wire::RedirectRequest& request) {
  const wire::RedirectionReply reply = make_redirection(process, request);
  (void)noted(process, wire::MessageType::kRedirect, reply.header.status, request.buffer_id);
  return reply;
}

wire::RedirectionReply Machine::make_redirection(Process& process,
                                                 const wire::RedirectRequest& request) {
  wire::RedirectionReply reply{};
  reply.header = request.header;
  ExportedBuffer* const buffer = find_own(process, request.buffer_id);
  reply.header.status = check_redirection(buffer, request);
  if (reply.header.status != wire::Status::kOk) return reply;
  FoundPages found;
  const NamedRange range{
      request.length, request.page_offset, {request.extents, request.extent_count}};
  reply.header.status = find_pages(process, range, found);
  if (reply.header.status != wire::Status::kOk) return reply;
  reply.header.status = buffer->redirections.add(request.offset, request.length,
                                                 std::move(found.pages), request.page_offset);
  if (reply.header.status != wire::Status::kOk) return reply;
  for (const auto& [first, end] :
       buffer->redirections.take_arrived(request.offset, request.length)) {
    copy_arrived(*buffer, first, end);
    reply.copied += end - first;
  }
  return reply;
}

wire::RedirectionReply Machine::end_redirection(Process& process,
                                                const wire::EndRedirectionRequest& request) {
  wire::RedirectionReply reply{};
  reply.header = request.header;
  ExportedBuffer* const buffer = find_own(process, request.buffer_id);
  if (buffer == nullptr) {
    reply.header.status = wire::Status::kUnknownExport;
  } else if (const auto direct = buffer->redirections.remove(request.offset)) {
    reply.direct = *direct;
  } else {
    reply.header.status = wire::Status::kUnknownRedirection;
  }
  (void)noted(process, wire::MessageType::kEndRedirection, reply.header.status, request.buffer_id);
  return reply;
}

// The one copy of a byte that came before its redirection.
void Machine::copy_arrived(const ExportedBuffer& buffer, std::uint64_t first, std::uint64_t end) {
  const IncomingPageTable& table = backplane_.node(buffer.owner->node).incoming_pages;
  while (first < end) {
    const std::uint64_t position = first + buffer.page_offset;
    const std::uint64_t in_page = position % wire::kPageSize;
    const auto page = static_cast<std::uint32_t>(position / wire::kPageSize);
    const std::byte* const source = table.find(buffer.first_incoming_page + page)->frame + in_page;
    const Redirections::Place place =
        buffer.redirections.find(first, std::min(end - first, wire::kPageSize - in_page));
    std::memmove(place.address, source, place.length);
    first += place.length;
  }
}

}  // namespace vmmc::nicsim
