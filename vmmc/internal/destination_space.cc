// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/destination_space.h"

#include <sys/mman.h>

#include "platform/system_calls.h"

namespace vmmc::internal {
namespace {

platform::Result<void*> reserve_memory(std::size_t bytes, int protection) {
  void* memory = platform::system_calls().mmap(nullptr, bytes, protection,
                                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return platform::last_system_error("mmap");
  return memory;
}

}  // namespace

DestinationSpace::~DestinationSpace() {
  if (base_ != nullptr) platform::system_calls().munmap(base_, 2 * bytes_);
  if (pages_ != nullptr) {
    platform::system_calls().munmap(pages_, bytes_ / wire::kPageSize * sizeof(PageEntry));
  }
}

platform::Result<bool> DestinationSpace::reserve(std::uint64_t most, std::uint64_t least) {
  auto space = reserve_memory(2 * most, PROT_NONE);
  while (!space.ok() && most > least) {
    most /= 2;
    space = reserve_memory(2 * most, PROT_NONE);
  }
  if (!space.ok()) return space.error();
  const std::uint64_t table_bytes = most / wire::kPageSize * sizeof(PageEntry);
  auto table = reserve_memory(table_bytes, PROT_READ | PROT_WRITE);
  if (!table.ok()) {
    platform::system_calls().munmap(space.value(), 2 * most);
    return table.error();
  }
  pages_ = static_cast<PageEntry*>(table.value());
  base_ = static_cast<std::byte*>(space.value());
  bytes_ = most;
  return true;
}

bool DestinationSpace::publish(const Import& import) {
  if (!fits(import)) return false;
  write_record(records_[import.slot], import);
  set_pages(import, static_cast<std::uint16_t>(import.slot + 1));
  return true;
}

std::optional<Import> DestinationSpace::retract(const void* address) {
  const auto import = resolve(address);
  if (!import || import->first != offset_of(address)) return std::nullopt;
  set_pages(*import, 0);
  write_record(records_[import->slot], Import{});
  return import;
}

std::optional<Import> DestinationSpace::resolve(const void* address) const {
  const std::uint64_t offset = offset_of(address);
  if (offset >= bytes_) return std::nullopt;
  const std::uint16_t entry = pages_[offset / wire::kPageSize].load(std::memory_order_acquire);
  if (entry == 0) return std::nullopt;
  return read_record(entry - 1u);
}

// Every load is an acquire, so that none moves behind the second look at the version.
std::optional<Import> DestinationSpace::read_record(std::uint32_t slot) const {
  constexpr auto kAcquire = std::memory_order_acquire;
  const Record& record = records_[slot];
  const std::uint32_t version = record.version.load(kAcquire);
  Import import;
  import.slot = slot;
  import.generation = record.generation.load(kAcquire);
  import.access = record.access.load(kAcquire);
  import.buffer_id = record.buffer_id.load(kAcquire);
  import.exporter = {record.node.load(kAcquire), record.process.load(kAcquire)};
  import.first = record.first.load(kAcquire);
  import.length = record.length.load(kAcquire);
  // A change meanwhile means that the import found in the page table has ended.
  if (version % 2 != 0 || record.version.load(kAcquire) != version) return std::nullopt;
  if (import.length == 0) return std::nullopt;
  return import;
}

// Every store is a release, so that none moves before the version became odd.
void DestinationSpace::write_record(Record& record, const Import& import) {
  constexpr auto kRelease = std::memory_order_release;
  const std::uint32_t version = record.version.load(std::memory_order_relaxed);
  record.version.store(version + 1, std::memory_order_relaxed);
  record.generation.store(import.generation, kRelease);
  record.access.store(import.access, kRelease);
  record.buffer_id.store(import.buffer_id, kRelease);
  record.node.store(import.exporter.node, kRelease);
  record.process.store(import.exporter.process, kRelease);
  record.first.store(import.first, kRelease);
  record.length.store(import.length, kRelease);
  record.version.store(version + 2, kRelease);
}

void DestinationSpace::set_pages(const Import& import, std::uint16_t entry) {
  const std::uint64_t last = (import.first + import.length - 1) / wire::kPageSize;
  for (std::uint64_t page = import.first / wire::kPageSize; page <= last; ++page) {
    pages_[page].store(entry, std::memory_order_release);
  }
}

}  // namespace vmmc::internal
