// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Hands out runs of consecutive table indices: pages of a destination space, entries of a page
// table.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace vmmc::nicsim {

// Threads: used by one thread. Invariant: free runs never touch or overlap each other.
class IndexRangeAllocator {
 public:
  explicit IndexRangeAllocator(std::uint32_t capacity) { free_[0] = capacity; }

  // The lowest run of `count` (> 0) free indices, or nothing if there is none.
  std::optional<std::uint32_t> allocate(std::uint32_t count);

  // Takes one certain index. False if it is not free.
  bool take(std::uint32_t index);

  // Gives back what allocate(count) returned, or take() took.
  void release(std::uint32_t first, std::uint32_t count);

 private:
  std::map<std::uint32_t, std::uint32_t> free_;  // first index -> count
};

}  // namespace vmmc::nicsim
