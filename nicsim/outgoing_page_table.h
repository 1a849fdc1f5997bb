// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The outgoing page table (OPT) of a process: one entry per page of its destination space, that is,
// per proxy page. It says where bytes for that page go: which node, which entry of that node's
// incoming page table.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "nicsim/index_range_allocator.h"

namespace vmmc::nicsim {

struct OutgoingPage {
  bool valid = false;
  std::uint8_t access = 0;  // wire::kAccess...: what the import was granted
  std::uint16_t first = 0;  // the bytes [first, end) of the page belong to the proxy
  std::uint16_t end = 0;
  std::uint32_t import_slot = 0;
  std::uint32_t import_generation = 0;
  std::uint32_t node = 0;
  std::uint32_t incoming_page = 0;
  std::uint32_t incoming_generation = 0;
};

// Threads: used by nicsim's one thread.
class OutgoingPageTable {
 public:
  // Left free behind each proxy, so that a send past its end is refused and does not reach the
  // buffer that happens to come next.
  static constexpr std::uint32_t kGuardPages = 1;

  // For a destination space of so many pages.
  explicit OutgoingPageTable(std::uint32_t pages) : indices_(pages) {}

  // What a proxy consists of: all its pages share everything but the byte range and the incoming
  // page.
  struct Proxy {
    std::uint32_t import_slot;
    std::uint32_t import_generation;
    std::uint32_t access;
    std::uint32_t node;
    std::uint32_t first_incoming_page;
    std::vector<std::uint32_t> incoming_generations;  // one per page
    std::uint32_t page_offset;                        // of the first byte in the first page
    std::uint64_t length;
  };

  // Enters a proxy. Returns its first page, or nothing if the destination space has no room for it.
  std::optional<std::uint32_t> map(const Proxy& proxy);

  // Removes `count` pages from `first` on.
  void unmap(std::uint32_t first, std::uint32_t count);

  // The entry of a page, or nullptr if the index is out of range or the entry not valid.
  const OutgoingPage* find(std::uint64_t page) const {
    return page < pages_.size() && pages_[page].valid ? &pages_[page] : nullptr;
  }

 private:
  std::vector<OutgoingPage> pages_;
  IndexRangeAllocator indices_;
};

}  // namespace vmmc::nicsim
