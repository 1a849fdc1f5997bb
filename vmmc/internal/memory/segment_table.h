// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The segments that nicsim knows of this process: memfds, some of them with a bell
// (nicsim/wire/buffer_bell.h), and how many of their pages are in use.
//
// Threads: one at a time (SharedSegments has the lock).
//
// Invariants
//   nicsim has a segment from create() until no page of it is used any more. No memfd stays open
//   here: nicsim has its own descriptor, and mappings need none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "platform/file_descriptor.h"
#include "vmmc/internal/memory/bell_pages.h"
#include "vmmc/internal/memory/page_range.h"
#include "vmmc/internal/memory/segment_verdict.h"

namespace vmmc::internal {

// How segments are made known to nicsim. Statuses are enum vmmc_status.
struct SegmentRegistrar {
  virtual ~SegmentRegistrar() = default;
  // `fd` is a sealed memfd of `bytes`; it is closed by the caller afterwards. `lendable`: nicsim may
  // hand it to importers (nicsim/wire/buffer_bell.h); `bytes` has the bell's page, too. A failure
  // leaves its sentence in last_error().
  virtual int register_segment(int fd, std::size_t bytes, bool lendable, std::uint32_t* id) = 0;
  virtual void release_segment(std::uint32_t id) = 0;
  // Returns when no transfer is under way any more whose source was found (SharedSegments::find)
  // before the call, or nicsim is gone.
  virtual void settle_transfers() = 0;
};

class SegmentTable {
 public:
  struct Segment {
    std::size_t pages = 0;             // without the bell's
    std::size_t used = 0;              // pages of this process that are in it
    wire::BufferBell* bell = nullptr;  // not null: it is lendable
    PageRange buffer;                  // what is covered as the one buffer of it; empty: nothing
    bool allocated = false;            // its pages stay in it when nobody covers them
    bool lent = false;                 // for good: others may have a mapping of it

    bool can_be_all_of_a_buffer() const { return bell != nullptr && !lent; }
  };
  struct Fresh {
    std::uint32_t id = 0;
    platform::FileDescriptor memory;
  };

  // Both must outlive it.
  SegmentTable(SegmentRegistrar& registrar, BellPages& bells)
      : registrar_(registrar), bells_(bells) {}

  // A segment of which no page is used yet. Errors: OUT_OF_MEMORY, SYSTEM, the registrar's.
  SegmentVerdict create(std::size_t pages, bool lendable, Fresh* fresh);

  Segment& at(std::uint32_t id) { return segments_.at(id); }
  // Null if the segment is no buffer.
  wire::BufferBell* bell_of_buffer(std::uint32_t id) const;

  void use(std::uint32_t id, std::size_t pages) { at(id).used += pages; }
  // The segment ends with its last page.
  void leave(std::uint32_t id, std::size_t pages);
  // REQUIRES: no page is used.
  void end(std::uint32_t id);
  void end_all();

 private:
  using Place = std::map<std::uint32_t, Segment>::iterator;

  Place end(Place segment);

  SegmentRegistrar& registrar_;
  BellPages& bells_;
  std::map<std::uint32_t, Segment> segments_;  // by id
};

}  // namespace vmmc::internal
