// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/segment_runs.h"

#include <algorithm>
#include <iterator>

namespace vmmc::internal {
namespace {

std::uint32_t page_count(PageRange range) { return static_cast<std::uint32_t>(range.pages()); }

bool follows(const SegmentRun& first, const SegmentRun& second) {
  return first.range.end == second.range.begin && first.segment == second.segment &&
         first.first_page + page_count(first.range) == second.first_page;
}

}  // namespace

void SegmentRuns::insert(const SegmentRun& run) {
  runs_.emplace(run.range.begin, run);
  join(run.range);
}

void SegmentRuns::erase(PageRange range) {
  split(range.begin);
  split(range.end);
  runs_.erase(runs_.lower_bound(range.begin), runs_.lower_bound(range.end));
}

void SegmentRuns::add_user(PageRange range) {
  change_users(range, [](std::uint32_t users) { return users + 1; });
}

void SegmentRuns::remove_user(PageRange range) {
  change_users(range, [](std::uint32_t users) { return users > 0 ? users - 1 : 0; });
}

void SegmentRuns::change_users(PageRange range, std::uint32_t (*changed)(std::uint32_t)) {
  split(range.begin);
  split(range.end);
  const Place end = runs_.lower_bound(range.end);
  for (Place run = runs_.lower_bound(range.begin); run != end; ++run)
    run->second.users = changed(run->second.users);
  join(range);
}

std::vector<PageRange> SegmentRuns::gaps(PageRange range) const {
  std::vector<PageRange> found;
  std::uintptr_t next = range.begin;
  for (const SegmentRun& run : within(range)) {
    if (run.range.begin > next) found.push_back({next, run.range.begin});
    next = run.range.end;
  }
  if (next < range.end) found.push_back({next, range.end});
  return found;
}

std::vector<SegmentRun> SegmentRuns::within(PageRange range) const {
  std::vector<SegmentRun> found;
  auto run = runs_.upper_bound(range.begin);
  if (run != runs_.begin()) --run;
  for (; run != runs_.end() && run->first < range.end; ++run) {
    if (!run->second.range.overlaps(range)) continue;
    SegmentRun part = run->second;
    part.range = {std::max(part.range.begin, range.begin), std::min(part.range.end, range.end)};
    part.first_page += page_count({run->first, part.range.begin});
    found.push_back(part);
  }
  return found;
}

std::vector<wire::Extent> SegmentRuns::extents(PageRange range) const {
  std::vector<wire::Extent> found;
  for (const SegmentRun& run : within(range)) {
    const bool goes_on = !found.empty() && found.back().segment == run.segment &&
                         found.back().first_page + found.back().pages == run.first_page;
    if (goes_on) {
      found.back().pages += page_count(run.range);
    } else {
      found.push_back({run.segment, run.first_page, page_count(run.range), 0});
    }
  }
  return found;
}

std::vector<SegmentIndex::Entry> SegmentRuns::entries(PageRange range) const {
  std::vector<SegmentIndex::Entry> found;
  const SegmentRun* before = nullptr;
  for (auto place = runs_.lower_bound(range.begin);
       place != runs_.end() && place->first < range.end; ++place) {
    const SegmentRun& run = place->second;
    if (before != nullptr && follows(*before, run)) {
      found.back().range.end = run.range.end;
    } else {
      found.push_back({run.range, {run.segment, std::uint64_t{run.first_page} * wire::kPageSize}});
    }
    before = &run;
  }
  return found;
}

PageRange SegmentRuns::with_neighbours(PageRange range) const {
  auto first = runs_.upper_bound(range.begin);
  if (first != runs_.begin() && std::prev(first)->second.range.end > range.begin) --first;
  if (first == runs_.end() || first->first >= range.end) return range;
  auto last = std::prev(runs_.lower_bound(range.end));
  while (first != runs_.begin() && follows(std::prev(first)->second, first->second)) --first;
  while (std::next(last) != runs_.end() && follows(last->second, std::next(last)->second)) ++last;
  return {std::min(range.begin, first->first), std::max(range.end, last->second.range.end)};
}

bool SegmentRuns::has_users(PageRange range) const {
  const auto runs = within(range);
  return std::any_of(runs.begin(), runs.end(), [](const SegmentRun& run) { return run.users > 0; });
}

bool SegmentRuns::all_have_users(PageRange range) const {
  std::size_t pages = 0;
  for (const SegmentRun& run : within(range)) pages += run.users > 0 ? run.range.pages() : 0;
  return pages == range.pages();
}

void SegmentRuns::split(std::uintptr_t address) {
  Place run = runs_.upper_bound(address);
  if (run == runs_.begin()) return;
  --run;
  if (address <= run->first || address >= run->second.range.end) return;
  SegmentRun rest = run->second;
  rest.first_page += page_count({run->first, address});
  rest.range.begin = address;
  run->second.range.end = address;
  runs_.emplace_hint(std::next(run), address, rest);
}

void SegmentRuns::join(PageRange range) {
  Place run = runs_.lower_bound(range.begin);
  if (run != runs_.begin()) --run;
  while (run != runs_.end() && run->first <= range.end) {
    const Place next = std::next(run);
    if (next == runs_.end()) return;
    if (follows(run->second, next->second) && run->second.users == next->second.users) {
      run->second.range.end = next->second.range.end;
      runs_.erase(next);
    } else {
      run = next;
    }
  }
}

}  // namespace vmmc::internal
