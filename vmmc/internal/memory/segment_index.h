// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which segment holds these bytes? The question of every send, answered without a lock.
//
// Threads and processes
//   find(), find_prefix(): any thread and signal handlers, also one that interrupts publish().
//   Wait-free: a bounded number of looks, no memory allocated. publish(): one thread at a time.
//
// Invariants
//   A search may miss: while the table changes it gives up after a few looks and answers "none",
//   which costs a copy and no more. It never makes an answer up out of two states of the table. The
//   entries live in tables of atomic words with a sequence counter that is odd while they change. A
//   table that has become too small is replaced by one twice as large and kept: a reader may still
//   be in it. All kept tables together are smaller than the one in use.
//
// What a crash at any instruction leaves behind: nothing, this is private memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "vmmc/internal/memory/page_range.h"

namespace vmmc::internal {

struct SegmentPosition {
  std::uint32_t segment;
  std::uint64_t offset;  // bytes from the start of the segment
};

// The first bytes of some memory, as far as they lie in one segment.
struct SegmentPart {
  SegmentPosition start;
  std::size_t length;
};

class SegmentIndex {
 public:
  struct Entry {
    PageRange range;
    SegmentPosition start;  // of range.begin
  };

  SegmentIndex();
  ~SegmentIndex();

  // Replaces the content by `entries`: sorted by address, disjoint.
  void publish(std::span<const Entry> entries);

  // Publishes an empty table. Allocates nothing: for a forked child.
  void clear();

  // The position of [address, address + length) if all of it lies in one entry.
  std::optional<SegmentPosition> find(std::uintptr_t address, std::size_t length) const;

  // As much of [address, address + length) as lies in the entry that holds `address`, if one does.
  std::optional<SegmentPart> find_prefix(std::uintptr_t address, std::size_t length) const;

 private:
  struct Slot {
    std::atomic<std::uintptr_t> begin{0};
    std::atomic<std::uintptr_t> end{0};
    std::atomic<std::uint64_t> offset{0};
    std::atomic<std::uint32_t> segment{0};
  };
  struct Table {
    explicit Table(std::size_t size) : slots(size) {}
    std::atomic<std::uint32_t> sequence{0};
    std::atomic<std::size_t> count{0};
    std::vector<Slot> slots;
  };

  // All of the entry from `address` on.
  static std::optional<SegmentPart> search(const Table& table, std::uintptr_t address);

  std::vector<std::unique_ptr<Table>> tables_;  // the last one is in use
  std::atomic<Table*> current_;
};

}  // namespace vmmc::internal
