// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The machine's imports: granted, waiting, given up.

#include "nicsim/machine.h"

namespace vmmc::nicsim {
namespace {

bool admits(const Rights& rights, const Process& importer) {
  return (rights.user == wire::kAnyUser || rights.user == importer.uid) &&
         (rights.node == wire::kAnyNode || rights.node == importer.node) &&
         (rights.process == wire::kAnyProcess || rights.process == importer.id);
}

}  // namespace

Process* Machine::find_process(std::uint32_t node, std::uint32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() || found->second->node != node ? nullptr : found->second;
}

ExportedBuffer* Machine::find_export(const wire::ImportRequest& request) const {
  Process* const exporter = find_process(request.node, request.process);
  return exporter == nullptr ? nullptr : find_own(*exporter, request.buffer_id);
}

std::optional<ImportAnswer> Machine::import(Process& process, const wire::ImportRequest& request) {
  if (request.node >= backplane_.nodes())
    return refuse_import(process, request, wire::Status::kNoSuchNode);
  if (request.access == 0 || (request.access & ~(wire::kAccessRead | wire::kAccessWrite)) != 0 ||
      request.executor > wire::ExecutorDemand::kHost) {
    return refuse_import(process, request, wire::Status::kInvalidRights);
  }
  if (ExportedBuffer* buffer = find_export(request)) return try_import(process, request, *buffer);
  if (waiting_imports_.count(process) >= wire::kImportSlots) {
    return refuse_import(process, request, wire::Status::kTooManyImports);
  }
  waiting_imports_.add(process, request);
  return std::nullopt;
}

ImportAnswer Machine::try_import(Process& importer, const wire::ImportRequest& request,
                                 ExportedBuffer& buffer) {
  if (!admits(buffer.rights, importer) || (request.access & ~buffer.rights.access) != 0) {
    return refuse_import(importer, request, wire::Status::kPermissionDenied);
  }
  if (request.executor == wire::ExecutorDemand::kHost && !buffer.lendable) {
    return refuse_import(importer, request, wire::Status::kExecutorUnavailable);
  }
  return grant(importer, request, buffer);
}

std::optional<std::uint32_t> Machine::take_import_slot(Process& importer) {
  if (!importer.free_import_slots.empty()) {
    const std::uint32_t slot = importer.free_import_slots.back();
    importer.free_import_slots.pop_back();
    return slot;
  }
  if (importer.imports.size() >= wire::kImportSlots) return std::nullopt;
  importer.imports.emplace_back();
  return static_cast<std::uint32_t>(importer.imports.size() - 1);
}

ImportAnswer Machine::grant(Process& importer, const wire::ImportRequest& request,
                            ExportedBuffer& buffer) {
  const auto slot = take_import_slot(importer);
  if (!slot) return refuse_import(importer, request, wire::Status::kTooManyImports);
  Import& import = importer.imports[*slot];
  ++import.generation;

  OutgoingPageTable::Proxy proxy{.import_slot = *slot,
                                 .import_generation = import.generation,
                                 .access = request.access,
                                 .node = buffer.owner->node,
                                 .first_incoming_page = buffer.first_incoming_page,
                                 .incoming_generations = {},
                                 .page_offset = buffer.page_offset,
                                 .length = buffer.length};
  for (std::uint32_t i = 0; i < buffer.pages; ++i) {
    proxy.incoming_generations.push_back(
        backplane_.node(proxy.node).incoming_pages.generation(buffer.first_incoming_page + i));
  }
  const auto first_page = importer.outgoing_pages.map(proxy);
  if (!first_page) {
    importer.free_import_slots.push_back(*slot);
    return refuse_import(importer, request, wire::Status::kDestinationSpaceFull);
  }
  import.phase = wire::ImportPhase::kGranted;
  import.buffer = &buffer;
  import.first_page = *first_page;
  import.pages = buffer.pages;
  import.lent = buffer.lendable && request.executor != wire::ExecutorDemand::kNic;
  buffer.lent |= import.lent;
  buffer.importers.emplace(&importer, *slot);
  const wire::HostCounts& counts = importer.channel.host_counts(*slot);
  import.counted_transfers = counts.transfers.load(std::memory_order_relaxed);
  import.counted_bytes = counts.bytes_beyond_words.load(std::memory_order_relaxed);
  importer.channel.set_import_state(*slot, import.generation, phase_of_granted(import));
  if (recorder_ != nullptr) recorder_->imported(importer, *slot, buffer);
  trace_import(wire::TraceEvent::kImported, importer, *slot);

  ImportAnswer answer;
  answer.reply.header = request.header;
  answer.reply.import_slot = *slot;
  answer.reply.import_generation = import.generation;
  answer.reply.destination = std::uint64_t{*first_page} * wire::kPageSize + buffer.page_offset;
  answer.reply.length = buffer.length;
  answer.reply.access = request.access;
  answer.reply.executor = import.lent ? wire::ExecutorDemand::kHost : wire::ExecutorDemand::kNic;
  answer.demand = request.executor;
  if (import.lent) answer.memory = buffer.segments.front()->memory();
  return answer;
}

ImportAnswer Machine::without_memory(Process& process, const ImportAnswer& answer) {
  const std::uint32_t slot = answer.reply.import_slot;
  const std::uint32_t generation = answer.reply.import_generation;
  ImportAnswer result;
  if (answer.demand == wire::ExecutorDemand::kHost) {
    result.reply.header = answer.reply.header;
    result.reply.header.status =
        noted(process, wire::MessageType::kImport, wire::Status::kExecutorUnavailable);
    end_import(process, slot);
    return result;
  }
  Import& import = process.imports[slot];
  import.lent = false;
  process.channel.set_import_state(slot, generation, phase_of_granted(import));
  result.reply = answer.reply;
  result.reply.executor = wire::ExecutorDemand::kNic;
  return result;
}

wire::ImportPhase Machine::phase_of_granted(const Import& import) const {
  return import.lent && watchers_ == 0 ? wire::ImportPhase::kGrantedToHost
                                       : wire::ImportPhase::kGranted;
}

// The importer writes these numbers: it can leave its own counters, and what is counted for its
// buffers' owners, wrong.
void Machine::count_host_transfers(Process& importer, std::uint32_t slot) {
  Import& import = importer.imports[slot];
  if (!import.lent || import.buffer == nullptr) return;
  const wire::HostCounts& counts = importer.channel.host_counts(slot);
  const std::uint64_t transfers = counts.transfers.load(std::memory_order_relaxed);
  const std::uint64_t bytes = counts.bytes_beyond_words.load(std::memory_order_relaxed);
  const std::uint64_t more_transfers = transfers - import.counted_transfers;
  const std::uint64_t more_bytes =
      more_transfers * sizeof(std::uint64_t) + (bytes - import.counted_bytes);
  import.counted_transfers = transfers;
  import.counted_bytes = bytes;
  wire::ChannelCounters& sent = importer.channel.counters();
  wire::ChannelCounters& received = import.buffer->owner->channel.counters();
  ChannelView::count(sent.transfers_sent, more_transfers);
  ChannelView::count(sent.bytes_sent, more_bytes);
  ChannelView::count(sent.host_transfers, more_transfers);
  ChannelView::count(received.transfers_received, more_transfers);
  ChannelView::count(received.bytes_received, more_bytes);
}

wire::Status Machine::read_counters(Process& process) {
  for (std::uint32_t slot = 0; slot < process.imports.size(); ++slot) {
    count_host_transfers(process, slot);
  }
  for (const auto& [id, buffer] : process.exports) {
    for (const auto& [importer, slot] : buffer->importers) count_host_transfers(*importer, slot);
  }
  return wire::Status::kOk;
}

void Machine::settle_imports_of(ExportedBuffer& buffer) {
  const Process& owner = *buffer.owner;
  while (const auto* wait = waiting_imports_.first_for(owner.node, owner.id, buffer.id)) {
    Process& importer = *wait->importer;
    const ImportAnswer answer = try_import(importer, wait->request, buffer);
    waiting_imports_.drop(wait);
    replies_.import(importer, answer);
  }
}

wire::Status Machine::cancel_import(Process& process, std::uint32_t request) {
  const auto wait = waiting_imports_.take(process, request);
  if (!wait) return wire::Status::kUnknownImport;  // it has been answered already
  replies_.import(process, refuse_import(process, wait->request, wire::Status::kImportCancelled));
  return wire::Status::kOk;
}

wire::Status Machine::unimport(Process& process, const wire::UnimportRequest& request) {
  const auto unknown = [&] {
    return noted(process, wire::MessageType::kUnimport, wire::Status::kUnknownImport);
  };
  if (request.import_slot >= process.imports.size()) return unknown();
  const Import& import = process.imports[request.import_slot];
  if (import.phase == wire::ImportPhase::kFree || import.generation != request.import_generation) {
    return unknown();
  }
  end_import(process, request.import_slot);
  return wire::Status::kOk;
}

// At the importer's wish, or for want of what it demands.
void Machine::end_import(Process& process, std::uint32_t slot) {
  end_bindings_of(process, slot);
  if (recorder_ != nullptr) recorder_->unimported(process, slot);
  trace_import(wire::TraceEvent::kUnimported, process, slot);
  drop_import(process, slot);
  process.free_import_slots.push_back(slot);
}

void Machine::drop_import(Process& process, std::uint32_t slot) {
  Import& import = process.imports[slot];
  count_host_transfers(process, slot);
  if (import.buffer != nullptr) import.buffer->importers.erase({&process, slot});
  process.outgoing_pages.unmap(import.first_page, import.pages);
  import.phase = wire::ImportPhase::kFree;
  import.buffer = nullptr;
  process.channel.set_import_state(slot, import.generation, wire::ImportPhase::kFree);
}

}  // namespace vmmc::nicsim
