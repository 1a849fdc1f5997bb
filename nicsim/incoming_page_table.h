// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The incoming page table (IPT) of a node: one entry per page of every buffer that is exported on
// the node. No packet changes memory that has no entry here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "nicsim/index_range_allocator.h"

namespace vmmc::nicsim {

struct ExportedBuffer;

struct IncomingPage {
  std::byte* frame = nullptr;        // the page in nicsim's mapping; nullptr: receiving is disabled
  ExportedBuffer* buffer = nullptr;  // what the page belongs to
  std::uint32_t generation =
      0;  // raised whenever the entry is given back: an old packet no longer matches
  std::uint16_t first = 0;  // the bytes [first, end) of the page belong to the buffer
  std::uint16_t end = 0;
  bool interrupts = false;  // a packet that asks for it may interrupt the node's processor
};

// Threads: used by nicsim's one thread.
class IncomingPageTable {
 public:
  // Enables receiving into `frames`, the pages of one buffer in order: `length` bytes from
  // `page_offset` of the first page on. Returns the index of the first entry, or nothing if the
  // table is full.
  std::optional<std::uint32_t> enable(std::span<std::byte* const> frames, std::uint32_t page_offset,
                                      std::uint64_t length, ExportedBuffer* buffer);

  // Disables the `count` entries from `first` on. From here on no packet matches them.
  void disable(std::uint32_t first, std::uint32_t count);

  // The interrupt-enable bit of the `count` entries from `first` on; clear when they are enabled.
  void allow_interrupts(std::uint32_t first, std::uint32_t count, bool allowed);

  std::uint32_t generation(std::uint32_t index) const { return pages_[index].generation; }

  // The entry, or nullptr if the index is out of range.
  const IncomingPage* find(std::uint32_t index) const {
    return index < pages_.size() ? &pages_[index] : nullptr;
  }

 private:
  static constexpr std::uint32_t kMaxPages = 1u << 26;  // 256 GiB of exported memory per node

  std::vector<IncomingPage> pages_;
  IndexRangeAllocator indices_{kMaxPages};
};

}  // namespace vmmc::nicsim
