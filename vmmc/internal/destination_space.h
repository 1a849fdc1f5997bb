// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The destination space: the addresses that stand for remote buffers. A reserved, inaccessible
// range of the process's address space of the size that nicsim says; nicsim places each proxy in
// it, page by page.
//
//   address ----> page table (one entry per page) ----> import record (one per import slot)
//
// Threads and processes
//   resolve() takes no lock and runs in signal handlers; publish() and retract() are called by one
//   thread at a time (a mutex of the caller).
//
// Invariants
//   A page's entry is set only after its import record is complete. A record changes only between
//   two steps of its `version` (odd while it changes), so that a reader never acts on half a
//   record; one that races with retract() finds the record as it was, or nothing. nicsim checks
//   slot and generation again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "nicsim/wire/channel.h"
#include "nicsim/wire/control.h"
#include "platform/result.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

// What a program knows a proxy by.
struct Import {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::uint32_t access = 0;
  std::uint32_t buffer_id = 0;
  vmmc_identity exporter{};
  std::uint64_t first = 0;   // of the first byte, from the start of the destination space
  std::uint64_t length = 0;  // bytes
  // Known to the host executor alone.
  bool host_demanded = false;
  const std::byte* local = nullptr;  // the buffer itself, if it is of this process
};

// The part of it that every send looks at.
struct Target {
  std::uint32_t slot;
  std::uint32_t generation;
  std::uint32_t access;
  std::uint64_t first;
  std::uint64_t length;
};

class DestinationSpace {
 public:
  DestinationSpace() = default;
  ~DestinationSpace();
  DestinationSpace(const DestinationSpace&) = delete;
  DestinationSpace& operator=(const DestinationSpace&) = delete;

  // Reserves up to `most` bytes of address space, and not less than `least`: as much as the process
  // may have, halving from `most` on (both are the page size times a power of two). Called once.
  platform::Result<bool> reserve(std::uint64_t most, std::uint64_t least);

  std::uint64_t bytes() const { return bytes_; }

  bool contains(const void* address) const { return offset_of(address) < bytes_; }
  std::uint64_t offset_of(const void* address) const {
    return static_cast<std::uint64_t>(static_cast<const std::byte*>(address) - base_);
  }
  void* address_of(std::uint64_t offset) const { return base_ + offset; }

  // The window: as many addresses again, for mappings of what the proxies stand for (host executor).
  void* window_of(std::uint64_t offset) const { return base_ + bytes_ + offset; }

  // The import slot, plus 1, of the page that holds the address; 0: none.
  std::uint32_t entry_of(const void* address) const {
    const std::uint64_t offset = offset_of(address);
    return offset < bytes_ ? pages_[offset / wire::kPageSize].load(std::memory_order_acquire) : 0;
  }

  // Whether nicsim has put a proxy where one can be.
  bool fits(const Import& import) const {
    return import.slot < wire::kImportSlots && import.length > 0 && import.length <= bytes_ &&
           import.first <= bytes_ - import.length;
  }

  // Makes an import usable. False if it does not fit the space (nicsim is not what it should be).
  bool publish(const Import& import);

  // Makes the proxy that starts at `address` unusable and returns what it was; nothing if none
  // starts there.
  std::optional<Import> retract(const void* address);

  // The import whose pages hold `address`, if any. The address may still be before its first or
  // after its last byte.
  std::optional<Import> resolve(const void* address) const;

  // The same for a send: false if there is none.
  bool find(const void* address, Target& target) const;

 private:
  struct Record {
    std::atomic<std::uint32_t> version{0};
    std::atomic<std::uint32_t> generation{0};
    std::atomic<std::uint32_t> access{0};
    std::atomic<std::uint32_t> buffer_id{0};
    std::atomic<std::uint32_t> node{0};
    std::atomic<std::uint32_t> process{0};
    std::atomic<std::uint64_t> first{0};
    std::atomic<std::uint64_t> length{0};
  };
  using PageEntry = std::atomic<std::uint16_t>;  // import slot + 1, or 0
  static_assert(PageEntry::is_always_lock_free);
  static_assert(wire::kImportSlots < 0xffff);

  std::optional<Import> read_record(std::uint32_t slot) const;
  void write_record(Record& record, const Import& import);
  void set_pages(const Import& import, std::uint16_t entry);

  std::byte* base_ = nullptr;
  std::uint64_t bytes_ = 0;
  PageEntry* pages_ = nullptr;  // anonymous memory, so that only the parts in use cost any
  Record records_[wire::kImportSlots];
};

// Every load is an acquire, so that none moves behind the second look at the version. A change
// meanwhile means that the import found in the page table has ended.
inline bool DestinationSpace::find(const void* address, Target& target) const {
  constexpr auto kAcquire = std::memory_order_acquire;
  const std::uint64_t offset = offset_of(address);
  if (offset >= bytes_) return false;
  const std::uint32_t entry = pages_[offset / wire::kPageSize].load(kAcquire);
  if (entry == 0) return false;
  const Record& record = records_[entry - 1];
  const std::uint32_t version = record.version.load(kAcquire);
  target.slot = entry - 1;
  target.generation = record.generation.load(kAcquire);
  target.access = record.access.load(kAcquire);
  target.first = record.first.load(kAcquire);
  target.length = record.length.load(kAcquire);
  return version % 2 == 0 && record.version.load(kAcquire) == version;
}

}  // namespace vmmc::internal
