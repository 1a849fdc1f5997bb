// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The machine's imports: granted, waiting, given up.

#include <algorithm>

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
  for (const auto& process : processes_) {
    if (process->id == id && process->node == node) return process.get();
  }
  return nullptr;
}

ExportedBuffer* Machine::find_export(const wire::ImportRequest& request) const {
  Process* const exporter = find_process(request.node, request.process);
  return exporter == nullptr ? nullptr : find_own(*exporter, request.buffer_id);
}

std::optional<wire::ImportReply> Machine::import(Process& process,
                                                 const wire::ImportRequest& request) {
  wire::ImportReply refused{};
  refused.header = request.header;
  if (request.node >= backplane_.nodes()) {
    refused.header.status = wire::Status::kNoSuchNode;
    return refused;
  }
  if (request.access == 0 || (request.access & ~(wire::kAccessRead | wire::kAccessWrite)) != 0) {
    refused.header.status = wire::Status::kInvalidRights;
    return refused;
  }
  if (ExportedBuffer* buffer = find_export(request)) return try_import(process, request, *buffer);
  const auto waiting = std::count_if(waiting_imports_.begin(), waiting_imports_.end(),
                                     [&](const auto& wait) { return wait.importer == &process; });
  if (waiting >= wire::kImportSlots) {
    refused.header.status = wire::Status::kTooManyImports;
    return refused;
  }
  waiting_imports_.push_back({&process, request});
  return std::nullopt;
}

wire::ImportReply Machine::try_import(Process& importer, const wire::ImportRequest& request,
                                      ExportedBuffer& buffer) {
  if (admits(buffer.rights, importer) && (request.access & ~buffer.rights.access) == 0) {
    return grant(importer, request, buffer);
  }
  wire::ImportReply refused{};
  refused.header = request.header;
  refused.header.status = wire::Status::kPermissionDenied;
  return refused;
}

wire::ImportReply Machine::grant(Process& importer, const wire::ImportRequest& request,
                                 ExportedBuffer& buffer) {
  wire::ImportReply reply{};
  reply.header = request.header;
  std::uint32_t slot = 0;
  if (!importer.free_import_slots.empty()) {
    slot = importer.free_import_slots.back();
    importer.free_import_slots.pop_back();
  } else if (importer.imports.size() < wire::kImportSlots) {
    slot = static_cast<std::uint32_t>(importer.imports.size());
    importer.imports.emplace_back();
  } else {
    reply.header.status = wire::Status::kTooManyImports;
    return reply;
  }
  Import& import = importer.imports[slot];
  ++import.generation;

  OutgoingPageTable::Proxy proxy{.import_slot = slot,
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
    importer.free_import_slots.push_back(slot);
    reply.header.status = wire::Status::kDestinationSpaceFull;
    return reply;
  }
  import.phase = wire::ImportPhase::kGranted;
  import.buffer = &buffer;
  import.first_page = *first_page;
  import.pages = buffer.pages;
  buffer.importers.emplace(&importer, slot);
  importer.channel.set_import_state(slot, import.generation, wire::ImportPhase::kGranted);

  reply.import_slot = slot;
  reply.import_generation = import.generation;
  reply.destination = std::uint64_t{*first_page} * wire::kPageSize + buffer.page_offset;
  reply.length = buffer.length;
  reply.access = request.access;
  reply.executor = buffer.rights.executor;
  return reply;
}

void Machine::settle_imports_of(ExportedBuffer& buffer) {
  for (auto wait = waiting_imports_.begin(); wait != waiting_imports_.end();) {
    if (find_export(wait->request) != &buffer) {
      ++wait;
      continue;
    }
    const wire::ImportReply reply = try_import(*wait->importer, wait->request, buffer);
    Process& importer = *wait->importer;
    wait = waiting_imports_.erase(wait);
    replies_.import(importer, reply);
  }
}

wire::Status Machine::cancel_import(Process& process, std::uint32_t request) {
  for (auto wait = waiting_imports_.begin(); wait != waiting_imports_.end(); ++wait) {
    if (wait->importer != &process || wait->request.header.request != request) continue;
    wire::ImportReply reply{};
    reply.header = wait->request.header;
    reply.header.status = wire::Status::kImportCancelled;
    waiting_imports_.erase(wait);
    replies_.import(process, reply);
    return wire::Status::kOk;
  }
  return wire::Status::kUnknownImport;  // it has been answered already
}

wire::Status Machine::unimport(Process& process, const wire::UnimportRequest& request) {
  if (request.import_slot >= process.imports.size()) return wire::Status::kUnknownImport;
  const Import& import = process.imports[request.import_slot];
  if (import.phase == wire::ImportPhase::kFree || import.generation != request.import_generation) {
    return wire::Status::kUnknownImport;
  }
  drop_import(process, request.import_slot);
  process.free_import_slots.push_back(request.import_slot);
  return wire::Status::kOk;
}

void Machine::drop_import(Process& process, std::uint32_t slot) {
  Import& import = process.imports[slot];
  if (import.buffer != nullptr) import.buffer->importers.erase({&process, slot});
  process.outgoing_pages.unmap(import.first_page, import.pages);
  import.phase = wire::ImportPhase::kFree;
  import.buffer = nullptr;
  process.channel.set_import_state(slot, import.generation, wire::ImportPhase::kFree);
}

}  // namespace vmmc::nicsim
