// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which pages are watched for stores, where they can be written meanwhile, and who hears of it.
//
// A table never changes once it is in use: a change makes another table. Threads: a table that
// nobody changes may be read by any; find() is async-signal-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "vmmc/internal/automatic/store_sink.h"
#include "vmmc/internal/memory/page_range.h"

namespace vmmc::internal {

struct Watch {
  PageRange pages;
  std::byte* alias;  // another mapping of the same memory, writable
  StoreSink* sink;

  std::byte* alias_of(std::uintptr_t address) const { return alias + (address - pages.begin); }
};

class WatchTable {
 public:
  // The watch on the page of `address`, or null.
  const Watch* find(std::uintptr_t address) const {
    const auto after =
        std::upper_bound(watches_.begin(), watches_.end(), address,
                         [](std::uintptr_t a, const Watch& w) { return a < w.pages.begin; });
    if (after == watches_.begin()) return nullptr;
    const Watch& candidate = *std::prev(after);
    return address < candidate.pages.end ? &candidate : nullptr;
  }

  bool overlaps(PageRange pages) const {
    return std::any_of(watches_.begin(), watches_.end(),
                       [&](const Watch& w) { return w.pages.overlaps(pages); });
  }
  bool has(PageRange pages) const {
    const Watch* watch = find(pages.begin);
    return watch != nullptr && watch->pages == pages;
  }

  // REQUIRES: !overlaps(watch.pages).
  WatchTable with(const Watch& watch) const {
    WatchTable table = *this;
    const auto after = std::upper_bound(
        table.watches_.begin(), table.watches_.end(), watch,
        [](const Watch& a, const Watch& b) { return a.pages.begin < b.pages.begin; });
    table.watches_.insert(after, watch);
    return table;
  }
  WatchTable without(PageRange pages) const {
    WatchTable table = *this;
    std::erase_if(table.watches_, [&](const Watch& w) { return w.pages == pages; });
    return table;
  }

 private:
  std::vector<Watch> watches_;  // by address
};

}  // namespace vmmc::internal
