// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/byte_set.h"

#include <algorithm>
#include <iterator>

namespace vmmc::nicsim {

void ByteSet::add(std::uint64_t first, std::uint64_t end) {
  auto next = ranges_.upper_bound(first);
  if (next != ranges_.begin() && std::prev(next)->second >= first) --next;
  while (next != ranges_.end() && next->first <= end) {
    first = std::min(first, next->first);
    end = std::max(end, next->second);
    next = ranges_.erase(next);
  }
  const auto added = ranges_.emplace_hint(next, first, end);
  if (ranges_.size() <= kMaxRanges) return;
  // One gap beside the new range goes.
  const auto left = added == ranges_.begin() ? added : std::prev(added);
  const auto right = std::next(left);
  left->second = right->second;
  ranges_.erase(right);
}

std::vector<ByteSet::Range> ByteSet::take(std::uint64_t first, std::uint64_t end) {
  std::vector<Range> taken;
  auto next = ranges_.upper_bound(first);
  if (next != ranges_.begin() && std::prev(next)->second > first) --next;
  while (next != ranges_.end() && next->first < end) {
    const Range range = *next;
    next = ranges_.erase(next);
    taken.emplace_back(std::max(first, range.first), std::min(end, range.second));
    if (range.first < first) ranges_.emplace(range.first, first);
    if (range.second > end) ranges_.emplace(end, range.second);
  }
  return taken;
}

}  // namespace vmmc::nicsim
