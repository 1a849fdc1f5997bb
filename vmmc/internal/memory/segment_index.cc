// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/segment_index.h"

#include <algorithm>

namespace vmmc::internal {
namespace {
constexpr std::size_t kFirstCapacity = 64;
constexpr int kLooks = 4;
}  // namespace

SegmentIndex::SegmentIndex() {
  tables_.push_back(std::make_unique<Table>(kFirstCapacity));
  current_.store(tables_.back().get(), std::memory_order_release);
}

SegmentIndex::~SegmentIndex() = default;

// Order: the odd count comes before every word that changes (each word is stored with release), and
// the even one after all of them. A reader that has loaded a changed word (with acquire) therefore
// sees a changed count.
void SegmentIndex::publish(std::span<const Entry> entries) {
  Table* table = tables_.back().get();
  const bool replace = entries.size() > table->slots.size();
  if (replace) {
    tables_.push_back(std::make_unique<Table>(std::max(entries.size(), 2 * table->slots.size())));
    table = tables_.back().get();
  }
  table->sequence.fetch_add(1, std::memory_order_relaxed);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Slot& slot = table->slots[i];
    slot.begin.store(entries[i].range.begin, std::memory_order_release);
    slot.end.store(entries[i].range.end, std::memory_order_release);
    slot.offset.store(entries[i].start.offset, std::memory_order_release);
    slot.segment.store(entries[i].start.segment, std::memory_order_release);
  }
  table->count.store(entries.size(), std::memory_order_release);
  table->sequence.fetch_add(1, std::memory_order_release);
  if (replace) current_.store(table, std::memory_order_release);
}

void SegmentIndex::clear() { publish({}); }

std::optional<SegmentPosition> SegmentIndex::find(std::uintptr_t address,
                                                  std::size_t length) const {
  const auto part = find_prefix(address, length);
  if (!part || part->length < length) return std::nullopt;
  return part->start;
}

std::optional<SegmentPart> SegmentIndex::find_prefix(std::uintptr_t address,
                                                     std::size_t length) const {
  for (int look = 0; look < kLooks; ++look) {
    const Table& table = *current_.load(std::memory_order_acquire);
    const std::uint32_t before = table.sequence.load(std::memory_order_acquire);
    if (before % 2 == 1) continue;
    auto part = search(table, address);
    if (table.sequence.load(std::memory_order_relaxed) != before) continue;
    if (part) part->length = std::min(part->length, length);
    return part;
  }
  return std::nullopt;
}

// Every load is an acquire so that the second look at the sequence counter cannot come before it.
std::optional<SegmentPart> SegmentIndex::search(const Table& table, std::uintptr_t address) {
  std::size_t low = 0;
  std::size_t high = std::min(table.count.load(std::memory_order_acquire), table.slots.size());
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const Slot& slot = table.slots[middle];
    const std::uintptr_t begin = slot.begin.load(std::memory_order_acquire);
    const std::uintptr_t end = slot.end.load(std::memory_order_acquire);
    if (address < begin) {
      high = middle;
    } else if (address >= end) {
      low = middle + 1;
    } else {
      const std::uint64_t offset = slot.offset.load(std::memory_order_acquire) + (address - begin);
      return SegmentPart{{slot.segment.load(std::memory_order_acquire), offset}, end - address};
    }
  }
  return std::nullopt;
}

}  // namespace vmmc::internal
