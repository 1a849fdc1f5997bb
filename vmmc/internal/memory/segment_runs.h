// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which pages of this process are pages of which segment, and how many exports use each of them.
//
// Threads: one at a time (SharedSegments has the lock).
// Invariants
//   Runs are disjoint and not empty. Within a run all pages have one segment, follow each other in
//   it as they do in the address space, and have the same number of users.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "nicsim/wire/control.h"
#include "vmmc/internal/memory/page_range.h"
#include "vmmc/internal/memory/segment_index.h"

namespace vmmc::internal {

struct SegmentRun {
  PageRange range;
  std::uint32_t segment = 0;
  std::uint32_t first_page = 0;  // in the segment, of range.begin
  std::uint32_t users = 0;       // exports that cover these pages
};

class SegmentRuns {
 public:
  // REQUIRES: no page of it is in a run.
  void insert(const SegmentRun& run);

  // Forgets the pages of `range`.
  void erase(PageRange range);

  // One more, or one less, export uses each page of `range` that is in a run.
  void add_user(PageRange range);
  void remove_user(PageRange range);

  // The parts of `range` that are in no run.
  std::vector<PageRange> gaps(PageRange range) const;

  // The runs that overlap `range`, cut to it.
  std::vector<SegmentRun> within(PageRange range) const;

  // The same as extents: neighbours in a segment are one.
  std::vector<wire::Extent> extents(PageRange range) const;

  // The runs that overlap `range`, as an index of segments wants them; neighbours in a segment are one
  // entry. REQUIRES: range is with_neighbours() of something.
  std::vector<SegmentIndex::Entry> entries(PageRange range) const;
  // `range`, and around it the runs that are one entry with the first or the last one in it.
  PageRange with_neighbours(PageRange range) const;

  // Whether any page of `range`, and whether every one, is in a run and has a user.
  bool has_users(PageRange range) const;
  bool all_have_users(PageRange range) const;

  // By address. Allocates nothing to walk.
  const std::map<std::uintptr_t, SegmentRun>& all() const { return runs_; }

 private:
  using Place = std::map<std::uintptr_t, SegmentRun>::iterator;

  void change_users(PageRange range, std::uint32_t (*changed)(std::uint32_t));
  // Makes `address` a border between runs, if it is inside one.
  void split(std::uintptr_t address);
  // Joins runs around and in `range` that need not be apart.
  void join(PageRange range);

  std::map<std::uintptr_t, SegmentRun> runs_;  // by range.begin
};

}  // namespace vmmc::internal
