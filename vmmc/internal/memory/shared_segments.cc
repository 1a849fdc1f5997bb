// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/shared_segments.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <system_error>
#include <utility>

#include "vmmc/internal/memory/memory_map.h"
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

bool overflows(std::uintptr_t address, std::size_t length) {
  constexpr std::uintptr_t kHighest = PTRDIFF_MAX - wire::kPageSize;
  return address > kHighest || length > kHighest - address;
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
  if (status != VMMC_OK)
    return {status, "nicsim did not take a segment of " + std::to_string(bytes) + " bytes"};
  *memory = std::move(created.value());
  return {};
}

// ------------------------------------------------------------------------------------ allocated
// memory

SharedSegments::Allocation SharedSegments::allocate(std::size_t bytes) {
  if (bytes == 0) return {{VMMC_ERR_ZERO_LENGTH, "zero bytes were asked for"}, nullptr};
  if (overflows(0, bytes))
    return {{VMMC_ERR_LENGTH_OVERFLOW, "more bytes were asked for than there are addresses"},
            nullptr};
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
  void* address = mapping.value().data();
  Segment& segment = state().segments[id];
  segment.home = pages_around(reinterpret_cast<std::uintptr_t>(address), whole);
  segment.mapping = std::move(mapping.value());
  segment.allocated = true;
  state().runs.insert({segment.home, id, 0, 0});
  publish();
  return {{}, address};
}

SegmentVerdict SharedSegments::free(void* memory) {
  const std::lock_guard lock(mutex_);
  auto& segments = state().segments;
  auto found = segments.begin();
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  while (found != segments.end() &&
         !(found->second.allocated && found->second.home.begin == address))
    ++found;
  if (found == segments.end())
    return {VMMC_ERR_NOT_ALLOCATED, "vmmc_alloc did not return this address"};
  const PageRange home = found->second.home;
  if (state().runs.has_users(home))
    return {VMMC_ERR_IN_USE, "the memory, or a part of it, is exported"};
  state().runs.erase(home);
  publish();
  registrar_.release_segment(found->first);
  segments.erase(found);
  return {};
}

// -------------------------------------------------------------------------------------- adopted
// memory

SharedSegments::Cover SharedSegments::cover(const void* address, std::size_t length) {
  Cover result;
  const auto start = reinterpret_cast<std::uintptr_t>(address);
  if (length == 0) {
    result.verdict = {VMMC_ERR_ZERO_LENGTH, "the length is zero"};
    return result;
  }
  if (overflows(start, length)) {
    result.verdict = {VMMC_ERR_LENGTH_OVERFLOW,
                      "the length goes past the end of the address space"};
    return result;
  }
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
  if (!gaps.empty()) result.verdict = adopt_gaps(gaps);
  if (result.verdict.ok()) {
    runs.add_user(range);
    result.page_offset = static_cast<std::uint32_t>(start - range.begin);
    result.extents = runs.extents(range);
  }
  publish();
  return result;
}

SegmentVerdict SharedSegments::adopt_gaps(const std::vector<PageRange>& gaps) {
  const auto answer = check_memory(gaps);
  if (!answer.ok()) return failure("cannot see what the memory is", answer.error());
  if (answer.value().refusal != MemoryRefusal::kNone)
    return {VMMC_ERR_BAD_MEMORY, describe(answer.value())};
  std::vector<FreshSegment> fresh;
  SegmentVerdict verdict = fill_fresh(gaps, fresh);
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
  Segment& segment = state().segments[fresh.id];
  segment.home = fresh.range;
  segment.pages_in_use = fresh.range.pages();
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
  const std::lock_guard lock(mutex_);
  state().runs.remove_user(range);
  give_back_unused();
  publish();
}

void SharedSegments::give_back_unused() {
  std::vector<SegmentRun> unused;
  for (const auto& [begin, run] : state().runs.all()) {
    if (run.users == 0 && !state().segments[run.segment].allocated) unused.push_back(run);
  }
  for (const SegmentRun& run : unused) {
    if (give_back_pages(run.range)) continue;
    state().runs.erase(run.range);
    Segment& segment = state().segments[run.segment];
    segment.pages_in_use -= run.range.pages();
    if (segment.pages_in_use > 0) continue;
    registrar_.release_segment(run.segment);
    state().segments.erase(run.segment);
  }
}

void SharedSegments::release_all() {
  const std::lock_guard lock(mutex_);
  if (state_ == nullptr) return;
  index_.clear();
  for (const auto& [begin, run] : state().runs.all()) {
    // Pages for which there is no memory stay as they are: shared with nobody once nicsim has let
    // go of them.
    if (!state().segments[run.segment].allocated) give_back_pages(run.range);
  }
  for (const auto& [id, segment] : state().segments) registrar_.release_segment(id);
  inherited_ = state_->inherited;
  state_.reset();
}

// ------------------------------------------------------------------------------------------------
// fork

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
    for (const auto& [begin, run] : state_->runs.all()) make_pages_private_in_child(run.range);
    index_.clear();
    inherited_ = state_.release();
  }
  resume_adoptions();
  mutex_.unlock();
}

}  // namespace vmmc::internal
