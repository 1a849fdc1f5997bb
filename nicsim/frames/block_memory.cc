// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/block_memory.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>

#include "nicsim/wire/version.h"
#include "platform/system_calls.h"

namespace vmmc::nicsim {
namespace {

// The pages are there already; this is for the page tables of nicsim.
void touch(std::byte* first, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += wire::kPageSize) {
    std::atomic_ref(*reinterpret_cast<std::uint32_t*>(first + at))
        .store(0, std::memory_order_relaxed);
  }
}

platform::FileDescriptor readable_copy(int memory) {
  const std::string path = "/proc/self/fd/" + std::to_string(memory);
  return platform::FileDescriptor(
      platform::system_calls().open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

std::variant<BlockMemory, wire::Status> BlockMemory::make(std::size_t bytes, bool read_only,
                                                          std::size_t at_once) {
  auto file = platform::reserve_shared_memory("vmmc-ring-blocks", bytes);
  if (!file.ok()) return wire::Status::kOutOfMemory;
  auto mapping = platform::SharedMapping::map(file.value().get(), bytes);
  if (!mapping.ok()) return wire::Status::kOutOfMemory;
  BlockMemory memory;
  memory.mapping_ = std::move(mapping.value());
  memory.descriptor_ = std::move(file.value());
  if (!memory.prepare(at_once)) return wire::Status::kOutOfMemory;
  // After the mapping: a later one could not be written to, nor could a descriptor that somebody
  // opens again for writing by its name in /proc.
  const int seals = F_SEAL_SEAL | (read_only ? F_SEAL_FUTURE_WRITE : 0);
  if (platform::system_calls().add_seals(memory.descriptor(), seals) != 0) {
    return wire::Status::kOutOfMemory;
  }
  if (!read_only) return memory;
  memory.writable_ = std::move(memory.descriptor_);
  memory.descriptor_ = readable_copy(memory.writable_.get());
  if (!memory.descriptor_.valid()) return wire::Status::kOutOfMemory;
  if (memory.prepared_ == bytes) memory.writable_.reset();
  return memory;
}

bool BlockMemory::prepare(std::size_t bytes) {
  bytes = std::min(bytes, size() - prepared_);
  if (bytes == 0) return true;
  const int file = writable_.valid() ? writable_.get() : descriptor();
  if (!platform::allocate_shared_memory(file, prepared_, bytes)) return false;
  touch(data() + prepared_, bytes);
  prepared_ += bytes;
  if (prepared_ == size()) writable_.reset();
  return true;
}

}  // namespace vmmc::nicsim
