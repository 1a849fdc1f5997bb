// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/shared_segments.h"

#include <sys/mman.h>

#include <iterator>
#include <string>
#include <utility>

#include "vmmc/internal/memory/page_adoption.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {
namespace {

// msync fails if a page is not mapped, and does nothing else for memory without a file.
bool is_mapped(PageRange range) { return ::msync(range.data(), range.bytes(), MS_ASYNC) == 0; }

// In a forked child. Pages that the program has unmapped, against the rules, cannot be copied.
void make_mapped_pages_private(PageRange range) {
  if (is_mapped(range)) return make_pages_private_in_child(range);
  for (std::uintptr_t next = range.begin; next < range.end; next += wire::kPageSize) {
    const PageRange page{next, next + wire::kPageSize};
    if (is_mapped(page)) make_pages_private_in_child(page);
  }
}

}  // namespace

SharedSegments::State& SharedSegments::state() {
  if (state_ == nullptr) {
    state_ = std::make_unique<State>(registrar_, bells_);
    state_->inherited = std::exchange(inherited_, nullptr);
  }
  return *state_;
}

// Only what changed, so that it costs the same however much memory is shared.
void SharedSegments::publish(PageRange changed) {
  const PageRange range = state().runs.with_neighbours(changed);
  std::vector<SegmentIndex::Entry> entries = state().runs.entries(range);
  for (SegmentIndex::Entry& entry : entries)
    entry.bell = state().segments.bell_of_buffer(entry.start.segment);
  index_.update(range, entries);
}

std::optional<SharedSegments::BellPosition> SharedSegments::find_bell(const void* byte) const {
  const auto part = index_.find_prefix(reinterpret_cast<std::uintptr_t>(byte), 1);
  if (!part || part->bell == nullptr) return std::nullopt;
  return BellPosition{part->bell, part->start.offset};
}

// ---- allocations

SharedSegments::Allocation SharedSegments::allocate(std::size_t bytes) {
  if (bytes == 0) return {{VMMC_ERR_ZERO_LENGTH, "zero bytes were asked for"}, nullptr};
  if (bytes > kHighestAddress) {
    return {{VMMC_ERR_LENGTH_OVERFLOW, "more bytes were asked for than there are addresses"},
            nullptr};
  }
  const std::size_t whole = round_up_to_page(bytes);
  const std::lock_guard lock(mutex_);
  SegmentTable& segments = state().segments;
  SegmentTable::Fresh fresh;
  if (auto verdict = segments.create(whole / wire::kPageSize, true, &fresh); !verdict.ok())
    return {std::move(verdict), nullptr};
  auto mapping = platform::SharedMapping::map(fresh.memory.get(), whole);
  if (!mapping.ok()) {
    segments.end(fresh.id);
    return {no_memory_for(whole, mapping.error()), nullptr};
  }
  void* const memory = mapping.value().data();
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  state().allocations.emplace(address, AllocatedMemory{std::move(mapping.value()), bytes});
  segments.at(fresh.id).allocated = true;
  keep(pages_around(address, whole), fresh.id);
  publish(pages_around(address, whole));
  return {{}, memory};
}

SegmentVerdict SharedSegments::free(void* memory) {
  const std::lock_guard lock(mutex_);
  State& now = state();
  const auto found = now.allocations.find(reinterpret_cast<std::uintptr_t>(memory));
  if (found == now.allocations.end())
    return {VMMC_ERR_NOT_ALLOCATED, "vmmc_alloc did not return this address"};
  const PageRange range = pages_around(found->first, found->second.mapping.size());
  if (now.runs.has_users(range))
    return {VMMC_ERR_IN_USE, "the memory, or a part of it, is exported"};
  const std::vector<SegmentRun> parts = now.runs.within(range);
  now.runs.erase(range);
  publish(range);
  registrar_.settle_transfers();
  for (const SegmentRun& part : parts) now.segments.leave(part.segment, part.range.pages());
  now.allocations.erase(found);
  return {};
}

// ---- covering

SharedSegments::Cover SharedSegments::cover(const void* address, std::size_t length,
                                            Lending lending) {
  Cover result;
  const auto start = reinterpret_cast<std::uintptr_t>(address);
  result.verdict = check_span(start, length);
  if (!result.verdict.ok()) return result;
  const PageRange range = pages_around(start, length);
  const std::lock_guard lock(mutex_);
  std::optional<std::uint32_t> buffer;
  if (lending == Lending::kIfPossible && is_all_of_its_pages(start, length)) {
    buffer = make_lendable(range);
  }
  if (!buffer) result.verdict = share(range);
  if (!result.verdict.ok()) return result;
  State& now = state();
  now.runs.add_user(range);
  if (buffer) {
    now.segments.at(*buffer).buffer = range;
    result.bell = now.segments.at(*buffer).bell;
    publish(range);
  }
  result.page_offset = static_cast<std::uint32_t>(start - range.begin);
  result.extents = now.runs.extents(range);
  return result;
}

// Nothing else of the program is on these pages: they are whole, or what follows is the unused end of
// an allocation.
bool SharedSegments::is_all_of_its_pages(std::uintptr_t start, std::size_t length) {
  if (start % wire::kPageSize != 0) return false;
  if (length % wire::kPageSize == 0) return true;
  const Allocations& allocations = state().allocations;
  const auto next = allocations.upper_bound(start);
  if (next == allocations.begin()) return false;
  const auto& [address, memory] = *std::prev(next);
  return start + length == address + memory.bytes;
}

SegmentVerdict SharedSegments::share(PageRange range) {
  const SegmentRuns& runs = state().runs;
  const std::vector<PageRange> gaps = runs.gaps(range);
  const std::size_t pieces = runs.extents(range).size() + gaps.size();
  if (pieces > wire::kMaxExtents) {
    return {VMMC_ERR_BAD_MEMORY, "the memory is in " + std::to_string(pieces) +
                                     " pieces of shared memory, and " +
                                     std::to_string(wire::kMaxExtents) + " is the most"};
  }
  if (gaps.empty()) return {};
  SegmentVerdict verdict = adopt_gaps(gaps);
  publish(range);
  return verdict;
}

// The lendable segment that the pages, and nothing else, are now. None: nothing has changed.
std::optional<std::uint32_t> SharedSegments::make_lendable(PageRange range) {
  const std::vector<SegmentRun> parts = state().runs.within(range);
  if (state().runs.has_users(range)) return std::nullopt;
  if (parts.size() != 1 || parts[0].range != range) return move_to_fresh(range);
  const std::uint32_t id = parts[0].segment;
  const SegmentTable::Segment& segment = state().segments.at(id);
  const bool whole = parts[0].first_page == 0 && segment.pages == range.pages();
  return whole && segment.can_be_all_of_a_buffer() ? id : move_to_fresh(range);
}

// Sends that found the pages in a segment must be over before they leave it: see give_back_unused().
std::optional<std::uint32_t> SharedSegments::move_to_fresh(PageRange range) {
  State& now = state();
  const std::vector<PageRange> gaps = now.runs.gaps(range);
  const std::vector<SegmentRun> parts = now.runs.within(range);
  if (!gaps.empty() && !check_adoptable(gaps).ok()) return std::nullopt;
  SegmentTable::Fresh fresh;
  if (!now.segments.create(range.pages(), true, &fresh).ok()) return std::nullopt;
  if (!parts.empty()) {
    now.runs.erase(range);
    publish(range);
    registrar_.settle_transfers();
  }
  const bool moved = !adopt_pages(range, fresh.memory.get(), 0);
  if (moved) {
    keep(range, fresh.id);
    for (const SegmentRun& part : parts) now.segments.leave(part.segment, part.range.pages());
  } else {
    for (const SegmentRun& part : parts) now.runs.insert(part);
    now.segments.end(fresh.id);
  }
  publish(range);
  return moved ? std::optional(fresh.id) : std::nullopt;
}

SegmentVerdict SharedSegments::cover_pages(std::span<const PageRange> ranges) {
  const std::lock_guard lock(mutex_);
  SegmentRuns& runs = state().runs;
  std::vector<PageRange> gaps;
  for (const PageRange& range : ranges) {
    const std::vector<PageRange> parts = runs.gaps(range);
    gaps.insert(gaps.end(), parts.begin(), parts.end());
  }
  if (!gaps.empty()) {
    SegmentVerdict verdict = adopt_gaps(gaps);
    for (const PageRange& gap : gaps) publish(gap);
    if (!verdict.ok()) return verdict;
  }
  for (const PageRange& range : ranges) runs.add_user(range);
  return {};
}

std::vector<PageRange> SharedSegments::unshared(PageRange pages) {
  const std::lock_guard lock(mutex_);
  return state().runs.gaps(pages);
}

SegmentVerdict SharedSegments::replace_unshared(PageRange pages,
                                                const std::function<SegmentVerdict()>& replace) {
  if (auto verdict = check_span(pages.begin, pages.bytes()); !verdict.ok()) return verdict;
  const std::lock_guard lock(mutex_);
  for (const auto& [address, memory] : state().allocations) {
    if (pages_around(address, memory.mapping.size()).overlaps(pages))
      return {VMMC_ERR_IN_USE, "it is from vmmc_alloc, and so nicsim's, too"};
  }
  if (!state().runs.within(pages).empty())
    return {VMMC_ERR_IN_USE, "it is exported, registered or bound, and so nicsim's, too"};
  if (auto verdict = check_adoptable({&pages, 1}); !verdict.ok()) return verdict;
  return replace();
}

SegmentVerdict SharedSegments::check(const void* address, std::size_t length) {
  const auto start = reinterpret_cast<std::uintptr_t>(address);
  if (auto verdict = check_span(start, length); !verdict.ok()) return verdict;
  const std::vector<PageRange> gaps = unshared(pages_around(start, length));
  return gaps.empty() ? SegmentVerdict{} : check_adoptable(gaps);
}

SegmentVerdict SharedSegments::adopt_gaps(const std::vector<PageRange>& gaps) {
  SegmentVerdict verdict = check_adoptable(gaps);
  if (!verdict.ok()) return verdict;
  std::vector<FreshSegment> fresh;
  verdict = fill_fresh(gaps, fresh);
  if (!verdict.ok()) {
    undo(fresh);
    return verdict;
  }
  for (const FreshSegment& part : fresh) keep(part.range, part.segment.id);
  return verdict;
}

// All that is likely to fail comes first, for all gaps; then the adoptions.
SegmentVerdict SharedSegments::fill_fresh(const std::vector<PageRange>& gaps,
                                          std::vector<FreshSegment>& fresh) {
  for (const PageRange& gap : gaps) {
    FreshSegment part;
    part.range = gap;
    auto verdict = state().segments.create(gap.pages(), false, &part.segment);
    if (!verdict.ok()) return verdict;
    fresh.push_back(std::move(part));
  }
  for (FreshSegment& part : fresh) {
    if (auto error = adopt_pages(part.range, part.segment.memory.get(), 0))
      return cannot_make(part.range, "shared", *error);
    part.adopted = true;
  }
  return {};
}

// The pages are the first ones of the segment.
void SharedSegments::keep(PageRange range, std::uint32_t segment) {
  state().segments.use(segment, range.pages());
  state().runs.insert({range, segment, 0, 0});
}

void SharedSegments::undo(const std::vector<FreshSegment>& fresh) {
  for (const FreshSegment& part : fresh) {
    if (part.adopted && give_back_pages(part.range)) {
      keep(part.range, part.segment.id);
      state().stale.push_back(part.range);
    } else {
      state().segments.end(part.segment.id);
    }
  }
}

// ---- releasing

SegmentVerdict SharedSegments::release(const void* address, std::size_t length, bool lent) {
  const PageRange range = pages_around(reinterpret_cast<std::uintptr_t>(address), length);
  const std::lock_guard lock(mutex_);
  std::vector<PageRange> ended{range};
  end_use(range, lent, ended);
  return give_back_unused(std::move(ended), lent ? range : PageRange{});
}

void SharedSegments::release_pages(std::span<const PageRange> ranges) {
  const std::lock_guard lock(mutex_);
  std::vector<PageRange> ended(ranges.begin(), ranges.end());
  for (const PageRange& range : ranges) end_use(range, false, ended);
  give_back_unused(std::move(ended), {});
}

// A buffer has ended for certain when a page of it has no user. (Others may cover it, too.) Adds its
// pages to `ended`.
void SharedSegments::end_use(PageRange range, bool lent, std::vector<PageRange>& ended) {
  State& now = state();
  now.runs.remove_user(range);
  for (const SegmentRun& run : now.runs.within(range)) {
    SegmentTable::Segment& segment = now.segments.at(run.segment);
    segment.lent |= lent;
    if (segment.buffer.pages() == 0) continue;
    if (!lent && now.runs.all_have_users(segment.buffer)) continue;
    const PageRange buffer = std::exchange(segment.buffer, {});
    ended.push_back(buffer);
    publish(buffer);
  }
}

// Of the pages whose use may have ended: what has no reason any more to be shared, which is in no run
// afterwards.
std::vector<SegmentRun> SharedSegments::take_unused(const std::vector<PageRange>& ended) {
  State& now = state();
  std::vector<SegmentRun> found;
  for (const PageRange& range : ended) {
    for (const SegmentRun& run : now.runs.within(range)) {
      const SegmentTable::Segment& segment = now.segments.at(run.segment);
      if (run.users > 0 || (segment.allocated && !segment.lent)) continue;
      found.push_back(run);
      now.runs.erase(run.range);
    }
  }
  return found;
}

// A send that found such a page in a segment must be over before the page leaves the segment, as it
// would miss what the program stores afterwards. So the pages are hidden from new sends first.
SegmentVerdict SharedSegments::give_back_unused(std::vector<PageRange> ended, PageRange lent) {
  State& now = state();
  ended.insert(ended.end(), now.stale.begin(), now.stale.end());
  now.stale.clear();
  const std::vector<SegmentRun> unused = take_unused(ended);
  if (unused.empty()) return {};
  for (const SegmentRun& run : unused) publish(run.range);
  registrar_.settle_transfers();
  SegmentVerdict verdict;
  for (const SegmentRun& run : unused) {
    const AdoptionError error = give_back_pages(run.range);
    if (error && is_mapped(run.range)) {
      now.runs.insert(run);
      now.stale.push_back(run.range);
      if (run.range.overlaps(lent)) verdict = cannot_make(run.range, "private", *error);
      publish(run.range);
    } else {
      now.segments.leave(run.segment, run.range.pages());
    }
  }
  return verdict;
}

void SharedSegments::release_all() {
  const std::lock_guard lock(mutex_);
  if (state_ == nullptr) return;
  index_.clear();
  registrar_.settle_transfers();
  for (const auto& [begin, run] : state_->runs.all()) {
    // Pages for which there is no memory stay as they are: shared with nobody once nicsim has let
    // go of them, unless they were lent.
    if (!state_->segments.at(run.segment).allocated) give_back_pages(run.range);
  }
  state_->segments.end_all();
  inherited_ = state_->inherited;
  state_.reset();
}

void SharedSegments::before_fork() {
  mutex_.lock();
  hold_adoptions();
}

void SharedSegments::after_fork_in_parent() {
  resume_adoptions();
  mutex_.unlock();
}

void SharedSegments::make_private_after_fork() {
  if (state_ != nullptr) {
    for (const auto& [begin, run] : state_->runs.all()) make_mapped_pages_private(run.range);
    index_.clear();
    inherited_ = state_.release();
  }
  bells_.make_private_after_fork();
  resume_adoptions();
  mutex_.unlock();
}

}  // namespace vmmc::internal
