// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/index_range_allocator.h"

#include <iterator>

namespace vmmc::nicsim {

std::optional<std::uint32_t> IndexRangeAllocator::allocate(std::uint32_t count) {
  for (auto run = free_.begin(); run != free_.end(); ++run) {
    const auto [first, available] = *run;
    if (available < count) continue;
    free_.erase(run);
    if (available > count) free_[first + count] = available - count;
    return first;
  }
  return std::nullopt;
}

bool IndexRangeAllocator::take(std::uint32_t index) {
  auto run = free_.upper_bound(index);
  if (run == free_.begin()) return false;
  --run;
  const auto [first, available] = *run;
  const std::uint32_t before = index - first;
  if (before >= available) return false;
  if (before == 0) {
    free_.erase(run);
  } else {
    run->second = before;
  }
  if (available - before > 1) free_[index + 1] = available - before - 1;
  return true;
}

void IndexRangeAllocator::release(std::uint32_t first, std::uint32_t count) {
  auto next = free_.lower_bound(first);
  if (next != free_.end() && next->first == first + count) {
    count += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    auto previous = std::prev(next);
    if (previous->first + previous->second == first) {
      previous->second += count;
      return;
    }
  }
  free_[first] = count;
}

}  // namespace vmmc::nicsim
