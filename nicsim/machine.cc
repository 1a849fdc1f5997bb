// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/machine.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

namespace vmmc::nicsim {
namespace {

constexpr std::size_t kMaxProcesses = 4096;

// Of one process: each is a mapping of nicsim's, and the kernel allows some 65000.
constexpr std::size_t kMaxSegments = 8192;

bool admits(const Rights& rights, const Process& importer) {
  return (rights.user == wire::kAnyUser || rights.user == importer.uid) &&
         (rights.node == wire::kAnyNode || rights.node == importer.node) &&
         (rights.process == wire::kAnyProcess || rights.process == importer.id);
}

// Whether nicsim can read the client's memory across, tried on the 8 bytes that the client named.
bool probe_memory(pid_t pid, const wire::AttachRequest& request) {
  std::uint64_t value = 0;
  const iovec local{&value, sizeof value};
  const iovec remote{reinterpret_cast<void*>(request.probe_address), sizeof value};
  return ::process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof value &&
         value == request.probe_value;
}

// A buffer has no byte twice, so it has no more pages than the process has registered. Looked at
// before anything is done page by page.
bool is_reasonable(const Process& process, const wire::ExportRequest& request) {
  std::uint64_t registered = 0;
  for (const auto& [id, segment] : process.segments) registered += segment->pages();
  std::uint64_t named = 0;
  for (std::uint32_t i = 0; i < request.extent_count; ++i) named += request.extents[i].pages;
  return named <= registered;
}

// Whole pages; 0 if what the client reserved is less than one.
std::uint64_t grant_destination_space(const wire::AttachRequest& request) {
  if (request.destination_space_bytes == 0) return wire::kMaxDestinationSpaceBytes;
  const std::uint64_t bytes =
      std::min(request.destination_space_bytes, wire::kMaxDestinationSpaceBytes);
  return bytes / wire::kPageSize * wire::kPageSize;
}

}  // namespace

std::variant<Machine::Attached, wire::Status> Machine::attach(
    const platform::PeerCredentials& credentials, const wire::AttachRequest& request) {
  const std::uint32_t node = request.node == wire::kAnyNode ? 0 : request.node;
  if (node >= backplane_.nodes()) return wire::Status::kNoSuchNode;
  if (processes_.size() >= kMaxProcesses) return wire::Status::kTooManyProcesses;
  const auto id = free_process_id(request.process);
  if (!id) return wire::Status::kProcessIdInUse;
  const std::uint64_t destination_space = grant_destination_space(request);
  if (destination_space == 0) return wire::Status::kMalformed;

  auto file = platform::create_shared_memory("vmmc-channel", wire::kChannelBytes);
  if (!file.ok()) return wire::Status::kOutOfMemory;
  auto mapping = platform::SharedMapping::map(file.value().get(), wire::kChannelBytes);
  if (!mapping.ok()) return wire::Status::kOutOfMemory;

  auto process = std::make_unique<Process>(destination_space);
  process->node = node;
  process->id = *id;
  process->pid = credentials.pid;
  process->uid = credentials.uid;
  // Only of our own user: reading memory can be made to wait by whoever provides it.
  process->can_read_memory =
      credentials.uid == ::geteuid() && probe_memory(credentials.pid, request);
  process->channel = ChannelView(std::move(mapping.value()));
  processes_.push_back(std::move(process));
  return Attached{processes_.back().get(), std::move(file.value())};
}

std::optional<std::uint32_t> Machine::free_process_id(std::uint32_t wanted) const {
  const auto taken = [&](std::uint32_t id) {
    return std::any_of(processes_.begin(), processes_.end(),
                       [id](const auto& process) { return process->id == id; });
  };
  if (wanted != wire::kAnyProcess) {
    return taken(wanted) ? std::nullopt : std::optional(wanted);
  }
  std::uint32_t id = 0;
  while (taken(id)) ++id;
  return id;
}

void Machine::detach(Process& process) {
  std::erase_if(waiting_imports_, [&](const auto& wait) { return wait.importer == &process; });
  std::erase_if(waiting_unexports_,
                [&](const auto& wait) { return wait.buffer->owner == &process; });
  for (WaitingUnexport& wait : waiting_unexports_) {
    std::erase_if(wait.senders, [&](const auto& sender) { return sender.first == &process; });
  }
  for (auto& [id, buffer] : process.exports) revoke(*buffer, wire::ImportPhase::kPeerDead);
  for (std::uint32_t slot = 0; slot < process.imports.size(); ++slot) {
    if (process.imports[slot].phase != wire::ImportPhase::kFree) drop_import(process, slot);
  }
  std::erase_if(processes_, [&](const auto& other) { return other.get() == &process; });
  settle_unexports();  // some may have waited for this process alone
}

std::variant<std::uint32_t, wire::Status> Machine::register_segment(Process& process, int fd,
                                                                    std::uint64_t bytes) {
  if (bytes == 0 || bytes % wire::kPageSize != 0 || !platform::is_sealed_shared_memory(fd, bytes)) {
    return wire::Status::kMalformed;
  }
  if (process.segments.size() >= kMaxSegments) return wire::Status::kOutOfMemory;
  auto mapping = platform::SharedMapping::map(fd, bytes);
  if (!mapping.ok()) return wire::Status::kOutOfMemory;
  const std::uint32_t id = process.next_segment_id++;
  process.segments[id] = std::make_shared<Segment>(id, std::move(mapping.value()));
  return id;
}

wire::Status Machine::release_segment(Process& process, std::uint32_t segment) {
  return process.segments.erase(segment) == 1 ? wire::Status::kOk : wire::Status::kMalformed;
}

// Finds the frames of the buffer's pages, and which bytes of which segments it covers.
wire::Status Machine::collect_pages(const Process& process, const wire::ExportRequest& request,
                                    Pages& pages) const {
  if (request.page_offset % wire::kWordSize != 0) return wire::Status::kMisaligned;
  if (request.length == 0) return wire::Status::kZeroLength;
  if (request.page_offset >= wire::kPageSize || request.extent_count == 0 ||
      request.extent_count > wire::kMaxExtents) {
    return wire::Status::kMalformed;
  }
  if (!is_reasonable(process, request)) return wire::Status::kMalformed;
  std::uint64_t position = 0;  // of the extent's first byte, from the start of the first page
  const std::uint64_t end = request.page_offset + request.length;
  if (end < request.length) return wire::Status::kLengthOverflow;
  for (std::uint32_t i = 0; i < request.extent_count; ++i) {
    const wire::Extent& extent = request.extents[i];
    const auto found = process.segments.find(extent.segment);
    if (found == process.segments.end() || extent.pages == 0 ||
        std::uint64_t{extent.first_page} + extent.pages > found->second->pages() ||
        position >= end) {
      return wire::Status::kMalformed;
    }
    const std::uint64_t bytes = std::uint64_t{extent.pages} * wire::kPageSize;
    const std::uint64_t base = std::uint64_t{extent.first_page} * wire::kPageSize;
    for (std::uint64_t offset = 0; offset < bytes; offset += wire::kPageSize) {
      pages.frames.push_back(found->second->data() + base + offset);
    }
    const std::uint64_t first = position == 0 ? request.page_offset : 0;
    const std::uint64_t last = std::min(bytes, end - position);
    pages.byte_runs.push_back({{extent.segment, base + first}, base + last});
    pages.segments.push_back(found->second);
    position += bytes;
  }
  return position >= end && position - end < wire::kPageSize ? wire::Status::kOk
                                                             : wire::Status::kMalformed;
}

wire::Status Machine::export_buffer(Process& process, const wire::ExportRequest& request) {
  constexpr std::size_t kMaxExports = 65536;
  if (request.access == 0 || (request.access & ~(wire::kAccessRead | wire::kAccessWrite)) != 0 ||
      request.executor > wire::ExecutorDemand::kNic) {
    return wire::Status::kInvalidRights;
  }
  if (process.exports.contains(request.buffer_id)) return wire::Status::kDuplicateId;
  if (process.exports.size() >= kMaxExports) return wire::Status::kTooManyExports;
  Pages pages;
  const wire::Status status = collect_pages(process, request, pages);
  if (status != wire::Status::kOk) return status;
  for (const auto& [start, end] : pages.byte_runs) {
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
  buffer->pages = static_cast<std::uint32_t>(pages.frames.size());
  buffer->segments = std::move(pages.segments);
  const auto first =
      backplane_.node(process.node)
          .incoming_pages.enable(pages.frames, request.page_offset, request.length, buffer.get());
  if (!first) return wire::Status::kOutOfMemory;
  buffer->first_incoming_page = *first;
  for (const auto& [start, end] : pages.byte_runs) {
    process.exported_bytes[start] = end;
    buffer->byte_runs.push_back(start);
  }
  ExportedBuffer& exported = *buffer;
  process.exports[request.buffer_id] = std::move(buffer);
  settle_imports_of(exported);
  return wire::Status::kOk;
}

std::optional<wire::Status> Machine::unexport(Process& process,
                                              const wire::UnexportRequest& request) {
  const auto found = process.exports.find(request.buffer_id);
  if (found == process.exports.end() || found->second->closing) {
    return wire::Status::kUnknownExport;
  }
  ExportedBuffer& buffer = *found->second;
  buffer.closing = true;
  WaitingUnexport wait{&buffer, request.header, {}};
  for (const auto& [importer, slot] : buffer.importers) {
    const std::uint64_t asked = importer->channel.published();
    if (asked <= importer->channel.completed()) continue;
    wait.senders.emplace_back(importer, asked);
    replies_.attend(*importer);
  }
  waiting_unexports_.push_back(std::move(wait));
  settle_unexports();
  return std::nullopt;
}

void Machine::settle_unexports() {
  for (auto wait = waiting_unexports_.begin(); wait != waiting_unexports_.end();) {
    std::erase_if(wait->senders, [](const auto& sender) {
      return sender.first->channel.completed() >= sender.second;
    });
    if (!wait->senders.empty()) {
      ++wait;
      continue;
    }
    Process& owner = *wait->buffer->owner;
    const wire::PlainReply reply{wait->header};
    revoke(*wait->buffer, wire::ImportPhase::kUnexported);
    for (const auto& start : wait->buffer->byte_runs) owner.exported_bytes.erase(start);
    owner.exports.erase(wait->buffer->id);
    wait = waiting_unexports_.erase(wait);
    replies_.unexport(owner, reply);
  }
}

// Takes the pages out of the incoming page table, so that nothing can arrive any more, and tells
// the importers.
void Machine::revoke(ExportedBuffer& buffer, wire::ImportPhase phase) {
  backplane_.node(buffer.owner->node)
      .incoming_pages.disable(buffer.first_incoming_page, buffer.pages);
  for (const auto& [importer, slot] : buffer.importers) {
    Import& import = importer->imports[slot];
    import.phase = phase;
    import.buffer = nullptr;
    importer->channel.set_import_state(slot, import.generation, phase);
  }
  buffer.importers.clear();
}

Process* Machine::find_process(std::uint32_t node, std::uint32_t id) const {
  for (const auto& process : processes_) {
    if (process->id == id && process->node == node) return process.get();
  }
  return nullptr;
}

ExportedBuffer* Machine::find_export(const wire::ImportRequest& request) const {
  const Process* exporter = find_process(request.node, request.process);
  if (exporter == nullptr) return nullptr;
  const auto found = exporter->exports.find(request.buffer_id);
  if (found == exporter->exports.end() || found->second->closing) return nullptr;
  return found->second.get();
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
                                 .writable = (request.access & wire::kAccessWrite) != 0,
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
