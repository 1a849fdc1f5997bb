// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/source_reader.h"

#include <sys/uio.h>

#include <array>
#include <cstring>

#include "platform/word_copy.h"

namespace vmmc::nicsim {
namespace {

// A process may send from one of its buffers to the same buffer; then the ranges may overlap.
void copy_run(const Run& run, const std::byte* source) {
  if (source < run.address + run.length && run.address < source + run.length) {
    std::memmove(run.address, source, run.length);
  } else {
    platform::copy_words(run.address, source, run.length);
  }
}

wire::Status read_across(const Process& process, const Transfer& transfer,
                         std::span<const Run> runs) {
  std::array<iovec, kMaxRuns> local;
  std::size_t total = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    local[i] = {runs[i].address, runs[i].length};
    total += runs[i].length;
  }
  // An address of the other process: a number here, never dereferenced.
  auto* address = reinterpret_cast<void*>(transfer.descriptor.source.address + transfer.done);
  const iovec remote{address, total};
  const ssize_t moved = ::process_vm_readv(process.pid, local.data(), runs.size(), &remote, 1, 0);
  return moved == static_cast<ssize_t>(total) ? wire::Status::kOk : wire::Status::kBadSource;
}

// Where the bytes from transfer.done on stand in nicsim's own address space.
const std::byte* local_source(const Process& process, const Transfer& transfer) {
  switch (transfer.kind) {
    case wire::SourceKind::kInline:
      return transfer.descriptor.inline_data + transfer.done;
    case wire::SourceKind::kStaged:
      return process.channel.staging() + transfer.descriptor.source.address + transfer.done;
    case wire::SourceKind::kSegment: {
      const auto segment = process.segments.find(transfer.descriptor.source.segment);
      if (segment == process.segments.end()) return nullptr;  // released meanwhile
      return segment->second->data() + transfer.descriptor.source.address + transfer.done;
    }
    case wire::SourceKind::kMemory:
      break;
  }
  return nullptr;
}

}  // namespace

bool source_is_plausible(const Process& process, const Transfer& transfer) {
  const wire::Source& source = transfer.descriptor.source;
  switch (transfer.kind) {
    case wire::SourceKind::kInline:
      return true;
    case wire::SourceKind::kStaged:
      return source.address <= wire::kStagingBytes &&
             source.length <= wire::kStagingBytes - source.address;
    case wire::SourceKind::kSegment: {
      const auto segment = process.segments.find(source.segment);
      return segment != process.segments.end() &&
             segment->second->contains(source.address, source.length);
    }
    case wire::SourceKind::kMemory:
      return process.can_read_memory && source.address + source.length >= source.address;
  }
  return false;
}

wire::Status move_bytes(const Process& process, const Transfer& transfer,
                        std::span<const Run> runs) {
  if (transfer.kind == wire::SourceKind::kMemory) return read_across(process, transfer, runs);
  const std::byte* source = local_source(process, transfer);
  if (source == nullptr) return wire::Status::kBadSource;
  for (const Run& run : runs) {
    copy_run(run, source);
    source += run.length;
  }
  return wire::Status::kOk;
}

}  // namespace vmmc::nicsim
