// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which segment holds these bytes? The question of every send, answered without a lock.
//
//   table: branches by address ----> leaves: up to kLeafSlots entries by address
//
// A change rewrites the leaves that it concerns, so it costs the same however many entries there are
// (but for the branches, one in some fifty entries, which move when a leaf comes or goes).
//
// Threads and processes
//   find(), find_prefix(): any thread and signal handlers, also one that interrupts update().
//   Wait-free: a bounded number of looks, no memory allocated. update(), publish(): one thread at a
//   time.
//
// Invariants
//   A search may miss: while the index changes it gives up after a few looks and answers "none",
//   which costs a copy and no more. It never makes an answer up out of two states of the index. All
//   that a search reads are atomic words under one sequence counter that is odd while they change.
//   Leaves and tables are never freed while the index lives: a reader may still be in one. All kept
//   tables together are smaller than the one in use; leaves are used again.
//
// What a crash at any instruction leaves behind: nothing, this is private memory.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "nicsim/wire/buffer_bell.h"
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
  wire::BufferBell* bell = nullptr;  // as in the entry
};

class SegmentIndex {
 public:
  struct Entry {
    PageRange range;
    SegmentPosition start;             // of range.begin
    wire::BufferBell* bell = nullptr;  // of the buffer that the segment is, if it has one
  };

  SegmentIndex();
  ~SegmentIndex();

  // Replaces what the index says of `range` by `entries`: in the range, sorted by address, disjoint.
  // Entries that reach out of the range are cut.
  void update(PageRange range, std::span<const Entry> entries);

  // The same for all addresses.
  void publish(std::span<const Entry> entries);

  // Empties the index. Allocates nothing: for a forked child.
  void clear();

  // The position of [address, address + length) if all of it lies in one entry.
  std::optional<SegmentPosition> find(std::uintptr_t address, std::size_t length) const;

  // As much of [address, address + length) as lies in the entry that holds `address`, if one does.
  std::optional<SegmentPart> find_prefix(std::uintptr_t address, std::size_t length) const;

  // Entries and branches that the calls so far have stored.
  std::uint64_t stores() const { return stores_; }

 private:
  static constexpr std::size_t kLeafSlots = 64;

  struct Slot {
    std::atomic<std::uintptr_t> begin{0};
    std::atomic<std::uintptr_t> end{0};
    std::atomic<std::uint64_t> offset{0};
    std::atomic<std::uint32_t> segment{0};
    std::atomic<wire::BufferBell*> bell{nullptr};
  };
  struct Leaf {
    std::atomic<std::size_t> count{0};
    std::array<Slot, kLeafSlots> slots;
  };
  struct Branch {
    std::atomic<std::uintptr_t> begin{0};  // of the leaf's first entry
    std::atomic<Leaf*> leaf{nullptr};
  };
  struct Table {
    explicit Table(std::size_t size) : branches(size) {}
    std::atomic<std::size_t> count{0};
    std::vector<Branch> branches;
  };
  // The branches [first, end) of the table in use.
  struct Span {
    std::size_t first;
    std::size_t end;
  };

  Span concerned(PageRange range, std::size_t added) const;
  std::vector<Entry> merged(Span old, PageRange range, std::span<const Entry> entries) const;
  void provide(std::size_t leaves, std::size_t branches);
  void replace(Span old, std::span<const Entry> entries, std::size_t leaves);
  void store(Leaf& leaf, std::span<const Entry> entries);
  void store(Branch& branch, std::uintptr_t begin, Leaf* leaf);

  // The last of `count` places whose begin is not above the address, plus 1; 0: none.
  template <typename Places>
  static std::size_t find_last(const Places& places, std::size_t count, std::uintptr_t address);
  // All of the entry from `address` on.
  static std::optional<SegmentPart> search(const Table& table, std::uintptr_t address);

  std::vector<std::unique_ptr<Table>> tables_;  // the last one is in use
  std::vector<std::unique_ptr<Leaf>> leaves_;
  std::vector<Leaf*> unused_;  // has room for all leaves
  std::atomic<Table*> current_;
  std::atomic<std::uint32_t> sequence_{0};
  std::uint64_t stores_ = 0;
};

}  // namespace vmmc::internal
