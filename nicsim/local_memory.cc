// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/local_memory.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "platform/word_copy.h"

namespace vmmc::nicsim {
namespace {

using CopyWords = void (*)(std::byte* destination, const std::byte* source, std::size_t length);

// A process may send from one of its buffers to the same buffer; then the ranges may overlap.
void copy_between(std::byte* destination, const std::byte* source, std::size_t length,
                  CopyWords copy) {
  if (source < destination + length && destination < source + length) {
    std::memmove(destination, source, length);
  } else {
    copy(destination, source, length);
  }
}

// Through the kernel, to memory that nicsim has not mapped. The kernel would not read whole words.
wire::Status write_across(const Process& process, const Transfer& transfer,
                          std::span<const Run> runs) {
  constexpr std::size_t kPortion = 32 * 1024;
  alignas(8) std::array<std::byte, kPortion + 8> aside;
  std::uint64_t address = transfer.descriptor.local.address + transfer.done;
  for (const Run& run : runs) {
    for (std::size_t done = 0; done < run.length;) {
      const std::byte* const source = run.address + done;
      const std::size_t portion = std::min(run.length - done, kPortion);
      std::byte* const copy = aside.data() + reinterpret_cast<std::uintptr_t>(source) % 8;
      platform::read_words(copy, source, portion);
      const iovec here{copy, portion};
      const iovec there{reinterpret_cast<void*>(address), portion};
      if (::process_vm_writev(process.pid, &here, 1, &there, 1, 0) !=
          static_cast<ssize_t>(portion)) {
        return wire::Status::kBadSource;
      }
      address += portion;
      done += portion;
    }
  }
  return wire::Status::kOk;
}

// Through the kernel, from memory that nicsim has not mapped.
wire::Status read_across(const Process& process, const Transfer& transfer,
                         std::span<const Run> runs) {
  std::array<iovec, kMaxRuns> here;
  std::size_t total = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    here[i] = {runs[i].address, runs[i].length};
    total += runs[i].length;
  }
  // An address of the other process: a number here, never dereferenced.
  auto* address = reinterpret_cast<void*>(transfer.descriptor.local.address + transfer.done);
  const iovec there{address, total};
  const ssize_t moved = ::process_vm_readv(process.pid, here.data(), runs.size(), &there, 1, 0);
  return moved == static_cast<ssize_t>(total) ? wire::Status::kOk : wire::Status::kBadSource;
}

// Where the local bytes from transfer.done on stand in nicsim's own address space.
std::byte* find_local(const Process& process, const Transfer& transfer) {
  switch (transfer.place) {
    case wire::LocalPlace::kStaged:
      return process.channel.staging() + transfer.descriptor.local.address + transfer.done;
    case wire::LocalPlace::kSegment: {
      const auto segment = process.segments.find(transfer.descriptor.local.segment);
      if (segment == process.segments.end()) return nullptr;  // released meanwhile
      return segment->second->data() + transfer.descriptor.local.address + transfer.done;
    }
    case wire::LocalPlace::kInline:
    case wire::LocalPlace::kMemory:
      break;
  }
  return nullptr;
}

}  // namespace

bool local_place_is_plausible(const Process& process, const Transfer& transfer) {
  const wire::LocalBytes& local = transfer.descriptor.local;
  switch (transfer.place) {
    case wire::LocalPlace::kInline:
      return true;
    case wire::LocalPlace::kStaged:
      return local.address <= wire::kStagingBytes &&
             local.length <= wire::kStagingBytes - local.address;
    case wire::LocalPlace::kSegment: {
      const auto segment = process.segments.find(local.segment);
      return segment != process.segments.end() &&
             segment->second->contains(local.address, local.length);
    }
    case wire::LocalPlace::kMemory:
      return process.can_read_memory && local.address + local.length >= local.address;
  }
  return false;
}

wire::Status move_bytes(const Process& process, const Transfer& transfer,
                        std::span<const Run> runs) {
  if (transfer.place == wire::LocalPlace::kInline) {
    const std::byte* source = transfer.descriptor.inline_data + transfer.done;
    for (const Run& run : runs) {
      platform::copy_words(run.address, source, run.length);
      source += run.length;
    }
    return wire::Status::kOk;
  }
  const bool fetch = transfer.operation == wire::Operation::kFetch;
  if (transfer.place == wire::LocalPlace::kMemory) {
    return fetch ? write_across(process, transfer, runs) : read_across(process, transfer, runs);
  }
  std::byte* local = find_local(process, transfer);
  if (local == nullptr) return wire::Status::kBadSource;
  for (const Run& run : runs) {
    if (fetch) {
      copy_between(local, run.address, run.length, platform::read_words);
    } else {
      copy_between(run.address, local, run.length, platform::copy_words);
    }
    local += run.length;
  }
  return wire::Status::kOk;
}

}  // namespace vmmc::nicsim
