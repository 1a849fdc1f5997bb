// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/shared_segments.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <system_error>
#include <utility>

#include "vmmc/internal/error.h"
#include "vmmc/internal/memory/memory_check.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {
namespace {

constexpr const char* kLabel = "vmmc";  // shows in /proc/PID/maps

int status_of(const platform::SystemError& error) {
  switch (error.number) {
    case ENOMEM:
    case ENOSPC:
    case EFBIG:
      return VMMC_ERR_OUT_OF_MEMORY;
    default:
      return VMMC_ERR_SYSTEM;
  }
}

SegmentVerdict failure(const std::string& what, const platform::SystemError& error) {
  const std::string why = std::generic_category().message(error.number);
  return {status_of(error), what + ": " + error.call + ": " + why};
}

SegmentVerdict no_memory_for(std::size_t bytes, const platform::SystemError& error) {
  return failure("cannot get " + std::to_string(bytes) + " bytes of shared memory", error);
}

SegmentVerdict cannot_adopt(PageRange range, const platform::SystemError& error) {
  char what[128];
  std::snprintf(what, sizeof what,
                "cannot make the memory from 0x%" PRIxPTR " to 0x%" PRIxPTR " shared", range.begin,
                range.end);
  return failure(what, error);
}

// Addresses above belong to the kernel; below, whole pages can be counted without an overflow.
constexpr std::uintptr_t kHighest = PTRDIFF_MAX - wire::kPageSize;

SegmentVerdict check_span(std::uintptr_t address, std::size_t length) {
  if (length == 0) return {VMMC_ERR_ZERO_LENGTH, "the length is zero"};
  if (length > UINTPTR_MAX - address)
    return {VMMC_ERR_LENGTH_OVERFLOW, "the length goes past the end of the address space"};
  if (address > kHighest || length > kHighest - address)
    return {VMMC_ERR_BAD_MEMORY, "no program can have memory there"};
  return {};
}

SegmentVerdict check_adoptable(std::span<const PageRange> pages) {
  const auto answer = check_memory(pages);
  if (!answer.ok()) return failure("cannot see what the memory is", answer.error());
  if (answer.value().refusal != MemoryRefusal::kNone)
    return {VMMC_ERR_BAD_MEMORY, describe(answer.value())};
  return {};
}

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
    state_ = std::make_unique<State>();
    state_->inherited = std::exchange(inherited_, nullptr);
  }
  return *state_;
}

SegmentVerdict SharedSegments::create_segment(std::size_t bytes, platform::FileDescriptor* memory,
                                              std::uint32_t* id) {
  auto created = platform::create_shared_memory(kLabel, bytes);
  if (!created.ok()) return no_memory_for(bytes, created.error());
  const int status = registrar_.register_segment(created.value().get(), bytes, id);
  if (status != VMMC_OK) {
    return {status, "nicsim did not take a segment of " + std::to_string(bytes) +
                        " bytes: " + last_error()};
  }
  *memory = std::move(created.value());
  return {};
}

SharedSegments::Allocation SharedSegments::allocate(std::size_t bytes) {
  if (bytes == 0) return {{VMMC_ERR_ZERO_LENGTH, "zero bytes were asked for"}, nullptr};
  if (bytes > kHighest) {
    return {{VMMC_ERR_LENGTH_OVERFLOW, "more bytes were asked for than there are addresses"},
            nullptr};
  }
  const std::size_t whole = round_up_to_page(bytes);
  const std::lock_guard lock(mutex_);
  platform::FileDescriptor memory;
  std::uint32_t id = 0;
  if (auto verdict = create_segment(whole, &memory, &id); !verdict.ok())
    return {std::move(verdict), nullptr};
  auto mapping = platform::SharedMapping::map(memory.get(), whole);
  if (!mapping.ok()) {
    registrar_.release_segment(id);
    return {no_memory_for(whole, mapping.error()), nullptr};
  }
  Segment& segment = state().segments[id];
  segment.mapping = std::move(mapping.value());
  state().runs.insert({segment.allocated_range(), id, 0, 0});
  publish();
  return {{}, segment.mapping.data()};
}

SegmentVerdict SharedSegments::free(void* memory) {
  const std::lock_guard lock(mutex_);
  auto& segments = state().segments;
  const auto found = std::find_if(segments.begin(), segments.end(), [memory](const auto& entry) {
    return entry.second.allocated() && entry.second.mapping.data() == memory;
  });
  if (found == segments.end())
    return {VMMC_ERR_NOT_ALLOCATED, "vmmc_alloc did not return this address"};
  const PageRange range = found->second.allocated_range();
  if (state().runs.has_users(range))
    return {VMMC_ERR_IN_USE, "the memory, or a part of it, is exported"};
  state().runs.erase(range);
  publish();
  registrar_.settle_transfers();
  registrar_.release_segment(found->first);
  segments.erase(found);
  return {};
}

SharedSegments::Cover SharedSegments::cover(const void* address, std::size_t length) {
  Cover result;
  const auto start = reinterpret_cast<std::uintptr_t>(address);
  result.verdict = check_span(start, length);
  if (!result.verdict.ok()) return result;
  const PageRange range = pages_around(start, length);
  const std::lock_guard lock(mutex_);
  SegmentRuns& runs = state().runs;
  const std::vector<PageRange> gaps = runs.gaps(range);
  const std::size_t pieces = runs.extents(range).size() + gaps.size();
  if (pieces > wire::kMaxExtents) {
    result.verdict = {VMMC_ERR_BAD_MEMORY, "the memory is in " + std::to_string(pieces) +
                                               " pieces of shared memory, and " +
                                               std::to_string(wire::kMaxExtents) + " is the most"};
    return result;
  }
  if (!gaps.empty()) {
    result.verdict = adopt_gaps(gaps);
    publish();
    if (!result.verdict.ok()) return result;
  }
  runs.add_user(range);
  result.page_offset = static_cast<std::uint32_t>(start - range.begin);
  result.extents = runs.extents(range);
  return result;
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
    publish();
    if (!verdict.ok()) return verdict;
  }
  for (const PageRange& range : ranges) runs.add_user(range);
  return {};
}

std::vector<PageRange> SharedSegments::unshared(PageRange pages) {
  const std::lock_guard lock(mutex_);
  return state().runs.gaps(pages);
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
  for (const FreshSegment& segment : fresh) keep(segment);
  return verdict;
}

// All that is likely to fail comes first, for all gaps; then the adoptions.
SegmentVerdict SharedSegments::fill_fresh(const std::vector<PageRange>& gaps,
                                          std::vector<FreshSegment>& fresh) {
  for (const PageRange& gap : gaps) {
    FreshSegment segment;
    segment.range = gap;
    if (auto verdict = create_segment(gap.bytes(), &segment.memory, &segment.id); !verdict.ok())
      return verdict;
    fresh.push_back(std::move(segment));
  }
  for (FreshSegment& segment : fresh) {
    if (auto error = adopt_pages(segment.range, segment.memory.get(), 0))
      return cannot_adopt(segment.range, *error);
    segment.adopted = true;
  }
  return {};
}

void SharedSegments::keep(const FreshSegment& fresh) {
  state().segments[fresh.id].adopted_pages = fresh.range.pages();
  state().runs.insert({fresh.range, fresh.id, 0, 0});
}

void SharedSegments::undo(const std::vector<FreshSegment>& fresh) {
  for (const FreshSegment& segment : fresh) {
    if (segment.adopted && give_back_pages(segment.range)) {
      keep(segment);  // for a later try
    } else {
      registrar_.release_segment(segment.id);
    }
  }
}

void SharedSegments::release(const void* address, std::size_t length) {
  const PageRange range = pages_around(reinterpret_cast<std::uintptr_t>(address), length);
  release_pages({&range, 1});
}

void SharedSegments::release_pages(std::span<const PageRange> ranges) {
  const std::lock_guard lock(mutex_);
  for (const PageRange& range : ranges) state().runs.remove_user(range);
  give_back_unused();
}

// A send that found such a page in a segment must be over before the page leaves the segment, as it
// would miss what the program stores afterwards. So the pages are hidden from new sends first.
void SharedSegments::give_back_unused() {
  State& now = state();
  std::vector<SegmentRun> unused;
  for (const auto& [begin, run] : now.runs.all()) {
    if (run.users == 0 && !now.segments[run.segment].allocated()) unused.push_back(run);
  }
  if (unused.empty()) return;
  for (const SegmentRun& run : unused) now.runs.erase(run.range);
  publish();
  registrar_.settle_transfers();
  for (const SegmentRun& run : unused) {
    if (give_back_pages(run.range) && is_mapped(run.range)) {
      now.runs.insert(run);  // for a later try
      continue;
    }
    Segment& segment = now.segments[run.segment];
    segment.adopted_pages -= run.range.pages();
    if (segment.adopted_pages > 0) continue;
    registrar_.release_segment(run.segment);
    now.segments.erase(run.segment);
  }
  publish();
}

void SharedSegments::release_all() {
  const std::lock_guard lock(mutex_);
  if (state_ == nullptr) return;
  index_.clear();
  registrar_.settle_transfers();
  for (const auto& [begin, run] : state_->runs.all()) {
    // Pages for which there is no memory stay as they are: shared with nobody once nicsim has let
    // go of them.
    if (!state_->segments[run.segment].allocated()) give_back_pages(run.range);
  }
  for (const auto& [id, segment] : state_->segments) registrar_.release_segment(id);
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
  resume_adoptions();
  mutex_.unlock();
}

}  // namespace vmmc::internal
