// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/segment_index.h"

#include <algorithm>

namespace vmmc::internal {
namespace {

constexpr std::size_t kFirstBranches = 16;
constexpr int kLooks = 4;

// All pages but the last one, which no process has.
constexpr PageRange kEverything{0, UINTPTR_MAX & ~(std::uintptr_t{wire::kPageSize} - 1)};

}  // namespace

SegmentIndex::SegmentIndex() {
  tables_.push_back(std::make_unique<Table>(kFirstBranches));
  current_.store(tables_.back().get(), std::memory_order_release);
}

SegmentIndex::~SegmentIndex() = default;

void SegmentIndex::publish(std::span<const Entry> entries) { update(kEverything, entries); }

// Order: the odd count comes before every word that changes (each word is stored with release), and
// the even one after all of them. A reader that has loaded a changed word (with acquire) therefore
// sees a changed count. What can fail for want of memory comes first.
void SegmentIndex::update(PageRange range, std::span<const Entry> entries) {
  // Not full, so that the next entries find room; but as few as fit while one leaf is enough.
  constexpr std::size_t kFilled = kLeafSlots * 3 / 4;
  const Span old = concerned(range, entries.size());
  const std::vector<Entry> content = merged(old, range, entries);
  const std::size_t leaves = content.size() <= kLeafSlots
                                 ? (content.empty() ? 0 : 1)
                                 : (content.size() + kFilled - 1) / kFilled;
  const std::size_t branches = tables_.back()->count.load(std::memory_order_relaxed);
  provide(leaves, branches - (old.end - old.first) + leaves);
  sequence_.fetch_add(1, std::memory_order_relaxed);
  replace(old, content, leaves);
  sequence_.fetch_add(1, std::memory_order_release);
}

void SegmentIndex::clear() {
  Table& table = *tables_.back();
  sequence_.fetch_add(1, std::memory_order_relaxed);
  const std::size_t count = table.count.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < count; ++i) {
    unused_.push_back(table.branches[i].leaf.load(std::memory_order_relaxed));
  }
  table.count.store(0, std::memory_order_release);
  sequence_.fetch_add(1, std::memory_order_release);
}

// Whose entries may overlap the range; with a neighbour if they would be too few for a leaf, so that
// leaves do not stay nearly empty.
SegmentIndex::Span SegmentIndex::concerned(PageRange range, std::size_t added) const {
  constexpr std::size_t kFew = kLeafSlots / 4;
  const Table& table = *tables_.back();
  const std::size_t count = table.count.load(std::memory_order_relaxed);
  const std::size_t last = find_last(table.branches, count, range.begin);
  Span span{last > 0 ? last - 1 : 0, find_last(table.branches, count, range.end - 1)};
  span.end = std::max(span.first, span.end);
  std::size_t entries = added;
  for (std::size_t i = span.first; i < span.end; ++i) {
    entries += table.branches[i].leaf.load(std::memory_order_relaxed)->count.load();
  }
  if (entries < kFew && span.first > 0) {
    --span.first;
  } else if (entries < kFew && span.end < count) {
    ++span.end;
  }
  return span;
}

std::vector<SegmentIndex::Entry> SegmentIndex::merged(Span old, PageRange range,
                                                      std::span<const Entry> entries) const {
  constexpr auto kRelaxed = std::memory_order_relaxed;  // we are the one who writes
  std::vector<Entry> before, behind;
  for (std::size_t i = old.first; i < old.end; ++i) {
    const Leaf& leaf = *tables_.back()->branches[i].leaf.load(kRelaxed);
    for (std::size_t k = 0; k < leaf.count.load(kRelaxed); ++k) {
      const Slot& slot = leaf.slots[k];
      const Entry entry{{slot.begin.load(kRelaxed), slot.end.load(kRelaxed)},
                        {slot.segment.load(kRelaxed), slot.offset.load(kRelaxed)},
                        slot.bell.load(kRelaxed)};
      if (entry.range.begin < range.begin) {
        before.push_back(entry);
        before.back().range.end = std::min(entry.range.end, range.begin);
      }
      if (entry.range.end > range.end) {
        behind.push_back(entry);
        const std::uintptr_t begin = std::max(entry.range.begin, range.end);
        behind.back().start.offset += begin - entry.range.begin;
        behind.back().range.begin = begin;
      }
    }
  }
  before.insert(before.end(), entries.begin(), entries.end());
  before.insert(before.end(), behind.begin(), behind.end());
  return before;
}

// Whatever replace() may need.
void SegmentIndex::provide(std::size_t leaves, std::size_t branches) {
  while (unused_.size() < leaves) {
    leaves_.push_back(std::make_unique<Leaf>());
    if (unused_.capacity() < leaves_.size()) unused_.reserve(2 * leaves_.size());
    unused_.push_back(leaves_.back().get());
  }
  const std::size_t size = tables_.back()->branches.size();
  if (branches <= size) return;
  auto table = std::make_unique<Table>(std::max(branches, 2 * size));
  tables_.reserve(tables_.size() + 1);
  const Table& now = *tables_.back();
  const std::size_t count = now.count.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < count; ++i) {
    store(table->branches[i], now.branches[i].begin.load(std::memory_order_relaxed),
          now.branches[i].leaf.load(std::memory_order_relaxed));
  }
  table->count.store(count, std::memory_order_release);
  tables_.push_back(std::move(table));
  current_.store(tables_.back().get(), std::memory_order_release);  // it says the same
}

void SegmentIndex::replace(Span old, std::span<const Entry> entries, std::size_t leaves) {
  Table& table = *tables_.back();
  const std::size_t count = table.count.load(std::memory_order_relaxed);
  for (std::size_t i = old.first; i < old.end; ++i) {
    unused_.push_back(table.branches[i].leaf.load(std::memory_order_relaxed));
  }
  const auto move = [&](std::size_t from, std::size_t to) {
    store(table.branches[to], table.branches[from].begin.load(std::memory_order_relaxed),
          table.branches[from].leaf.load(std::memory_order_relaxed));
  };
  const std::size_t end = old.first + leaves;
  if (end < old.end) {
    for (std::size_t i = old.end; i < count; ++i) move(i, i - old.end + end);
  } else if (end > old.end) {
    for (std::size_t i = count; i > old.end; --i) move(i - 1, i - 1 - old.end + end);
  }
  for (std::size_t i = 0; i < leaves; ++i) {
    const std::size_t first = entries.size() * i / leaves;
    const auto part = entries.subspan(first, entries.size() * (i + 1) / leaves - first);
    Leaf* const leaf = unused_.back();
    unused_.pop_back();
    store(*leaf, part);
    store(table.branches[old.first + i], part.front().range.begin, leaf);
  }
  table.count.store(count - (old.end - old.first) + leaves, std::memory_order_release);
}

void SegmentIndex::store(Leaf& leaf, std::span<const Entry> entries) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Slot& slot = leaf.slots[i];
    slot.begin.store(entries[i].range.begin, std::memory_order_release);
    slot.end.store(entries[i].range.end, std::memory_order_release);
    slot.offset.store(entries[i].start.offset, std::memory_order_release);
    slot.segment.store(entries[i].start.segment, std::memory_order_release);
    slot.bell.store(entries[i].bell, std::memory_order_release);
  }
  leaf.count.store(entries.size(), std::memory_order_release);
  stores_ += entries.size();
}

void SegmentIndex::store(Branch& branch, std::uintptr_t begin, Leaf* leaf) {
  branch.begin.store(begin, std::memory_order_release);
  branch.leaf.store(leaf, std::memory_order_release);
  ++stores_;
}

std::optional<SegmentPosition> SegmentIndex::find(std::uintptr_t address,
                                                  std::size_t length) const {
  const auto part = find_prefix(address, length);
  if (!part || part->length < length) return std::nullopt;
  return part->start;
}

std::optional<SegmentPart> SegmentIndex::find_prefix(std::uintptr_t address,
                                                     std::size_t length) const {
  for (int look = 0; look < kLooks; ++look) {
    const std::uint32_t before = sequence_.load(std::memory_order_acquire);
    if (before % 2 == 1) continue;
    auto part = search(*current_.load(std::memory_order_acquire), address);
    if (sequence_.load(std::memory_order_relaxed) != before) continue;
    if (part) part->length = std::min(part->length, length);
    return part;
  }
  return std::nullopt;
}

// Every load is an acquire so that the second look at the sequence counter cannot come before it.
template <typename Places>
std::size_t SegmentIndex::find_last(const Places& places, std::size_t count,
                                    std::uintptr_t address) {
  std::size_t low = 0;
  std::size_t high = count;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (places[middle].begin.load(std::memory_order_acquire) <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::optional<SegmentPart> SegmentIndex::search(const Table& table, std::uintptr_t address) {
  constexpr auto kAcquire = std::memory_order_acquire;
  const std::size_t branches = std::min(table.count.load(kAcquire), table.branches.size());
  const std::size_t branch = find_last(table.branches, branches, address);
  if (branch == 0) return std::nullopt;
  const Leaf* const leaf = table.branches[branch - 1].leaf.load(kAcquire);
  if (leaf == nullptr) return std::nullopt;  // the table is changing
  const std::size_t last =
      find_last(leaf->slots, std::min(leaf->count.load(kAcquire), kLeafSlots), address);
  if (last == 0) return std::nullopt;
  const Slot& slot = leaf->slots[last - 1];
  const std::uintptr_t begin = slot.begin.load(kAcquire);
  const std::uintptr_t end = slot.end.load(kAcquire);
  if (address < begin || address >= end) return std::nullopt;
  return SegmentPart{{slot.segment.load(kAcquire), slot.offset.load(kAcquire) + (address - begin)},
                     end - address,
                     slot.bell.load(kAcquire)};
}

}  // namespace vmmc::internal
