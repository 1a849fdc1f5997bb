// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The memory that this process shares with nicsim: what vmmc_alloc gave out, and the pages adopted
// for exports and for the registration cache.
//
// A segment is a memfd registered with nicsim. Allocated segments are mapped where the kernel
// likes; adopted ones replace the pages of the program in place (page_adoption), allocated pages
// among them. A page belongs to at most one segment; buffers may share pages. An allocation is a
// range of addresses, whatever segments its pages are in by now, if in any.
//
// A segment that can be lent is all of one buffer, and its bell: who is lent it can reach nothing
// else. Once lent, its pages are replaced at the release; it is never a buffer again.
//
// Threads and processes
//   find(), find_prefix(), find_bell(): any thread and signal handlers, no lock. All others but
//   those for fork: any thread, one at a time (a mutex inside). The registrar is called with that mutex held and
//   must not call back. Fork: pthread_atfork handlers must call before_fork(),
//   after_fork_in_parent() and make_private_after_fork(). A lock of the caller that it holds while
//   it calls this class must be taken before before_fork().
//
// Invariants
//   A page is shared exactly while it is covered, or in the segment that was made for its
//   allocation. It leaves that one for good if it was lent, or was a part of a lendable buffer that
//   was not just the allocation. Exception: pages that could not be given back for want of memory stay
//   shared, are found and covered again, and are tried again by the next release. Covered pages that
//   the program has unmapped, against the rules, are forgotten at their release. After an error every
//   page is as it was before the call. No memfd stays open here: nicsim has its own descriptor, and
//   the mappings need none.
//
// What a crash at any instruction leaves behind: nothing, all memory is anonymous.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "nicsim/wire/buffer_bell.h"
#include "nicsim/wire/control.h"
#include "platform/shared_memory.h"
#include "vmmc/internal/memory/bell_pages.h"
#include "vmmc/internal/memory/page_range.h"
#include "vmmc/internal/memory/segment_index.h"
#include "vmmc/internal/memory/segment_runs.h"
#include "vmmc/internal/memory/segment_table.h"
#include "vmmc/internal/memory/segment_verdict.h"

namespace vmmc::internal {

class SharedSegments {
 public:
  explicit SharedSegments(SegmentRegistrar& registrar) : registrar_(registrar) {}
  ~SharedSegments() { release_all(); }
  SharedSegments(const SharedSegments&) = delete;
  SharedSegments& operator=(const SharedSegments&) = delete;

  // Zeroed memory of whole pages around `bytes`, backed in full.
  // Errors: ZERO_LENGTH, LENGTH_OVERFLOW, OUT_OF_MEMORY, SYSTEM, the registrar's.
  struct Allocation {
    SegmentVerdict verdict;
    void* memory = nullptr;
  };
  Allocation allocate(std::size_t bytes);

  // Waits for the transfers from this memory. Errors: NOT_ALLOCATED (not what allocate() returned),
  // IN_USE (a part of it is covered).
  SegmentVerdict free(void* memory);

  // Makes `length` bytes from `address` part of segments, for one export; release() with the same
  // numbers ends it. Errors: ZERO_LENGTH, LENGTH_OVERFLOW, BAD_MEMORY (also: in more than
  // wire::kMaxExtents pieces of segments), OUT_OF_MEMORY, SYSTEM, the registrar's.
  //
  // With kIfPossible, whole pages (or up to the end of an allocation) that nobody else covers come to be all of one lendable segment (they
  // are moved to a fresh one if need be), and `bell` is theirs: it stays readable and writable memory
  // for the life of this object, and is the buffer's until release(). If that is not possible, also
  // for want of memory or because nicsim refuses it, they are covered as with kNo.
  enum class Lending { kNo, kIfPossible };
  struct Cover {
    SegmentVerdict verdict;
    std::uint32_t page_offset = 0;  // of the first byte in the first page
    std::vector<wire::Extent> extents;
    wire::BufferBell* bell = nullptr;  // not null: the segment can be lent
  };
  Cover cover(const void* address, std::size_t length, Lending lending = Lending::kNo);

  // Ends what cover() began. Adopted pages that nobody covers any more become private again,
  // content kept; transfers from there are waited for. REQUIRES: nicsim does not write there any
  // more for the export that ends.
  //
  // `lent`: others may still hold a mapping of the pages. Then allocated pages become private, too:
  // what others store later reaches nothing. Pages that somebody else covers become so when he lets go
  // of them. OUT_OF_MEMORY, SYSTEM: there was no memory for that, and the pages can still be reached
  // until a later release has been able to replace them. Without `lent`: always OK.
  SegmentVerdict release(const void* address, std::size_t length, bool lent = false);

  // The same for many disjoint ranges at once, each in segments of its own: all of them or none are
  // covered, and transfers are waited for once. Errors: as cover().
  SegmentVerdict cover_pages(std::span<const PageRange> ranges);
  void release_pages(std::span<const PageRange> ranges);

  // The parts of `pages` that are in no segment.
  std::vector<PageRange> unshared(PageRange pages);

  // Calls replace() for pages that are in no segment and could be covered, while nobody can share
  // them. What it returns; BAD_MEMORY as cover(); IN_USE: pages are in a segment.
  SegmentVerdict replace_unshared(PageRange pages, const std::function<SegmentVerdict()>& replace);

  // Whether cover() would find memory that can be shared: OK, or its error. Changes nothing.
  SegmentVerdict check(const void* address, std::size_t length);

  // Where nicsim finds these bytes, if they lie within one segment. May miss while another thread
  // changes the segments.
  std::optional<SegmentPosition> find(const void* source, std::size_t length) const {
    return index_.find(reinterpret_cast<std::uintptr_t>(source), length);
  }

  // The same for as many of the bytes, from the first on, as lie within one segment.
  std::optional<SegmentPart> find_prefix(const void* source, std::size_t length) const {
    return index_.find_prefix(reinterpret_cast<std::uintptr_t>(source), length);
  }

  // The bell of the covered buffer that holds this byte, and the byte's offset in the buffer; nothing
  // if the byte is in no lendable cover. May miss as find() does.
  struct BellPosition {
    wire::BufferBell* bell;
    std::uint64_t offset;
  };
  std::optional<BellPosition> find_bell(const void* byte) const;

  // Entries that all calls so far have stored in the index.
  std::uint64_t index_stores() const { return index_.stores(); }

  // Ends everything: adopted pages become private (content kept), allocated memory is unmapped.
  void release_all();

  // Around fork(), see above. make_private_after_fork() gives the child private copies of all
  // adopted and allocated memory, and zeros in the place of bells, and empties this object without a
  // word to the registrar; async-signal-safe. What the child covers afterwards gets bells of its own.
  void before_fork();
  void after_fork_in_parent();
  void make_private_after_fork();

 private:
  // What free() takes back: unmapped whole, whatever its pages are by then.
  struct AllocatedMemory {
    platform::SharedMapping mapping;
    std::size_t bytes;  // as asked for: the rest of the last page belongs to nobody
  };
  using Allocations = std::map<std::uintptr_t, AllocatedMemory>;
  struct State {
    State(SegmentRegistrar& registrar, BellPages& bells) : segments(registrar, bells) {}
    SegmentRuns runs;
    SegmentTable segments;
    Allocations allocations;       // by address
    std::vector<PageRange> stale;  // could not be given back: for a later try
    State* inherited = nullptr;    // see below
  };
  struct FreshSegment {
    PageRange range;
    SegmentTable::Fresh segment;
    bool adopted = false;
  };

  State& state();
  bool is_all_of_its_pages(std::uintptr_t start, std::size_t length);
  SegmentVerdict share(PageRange range);
  SegmentVerdict adopt_gaps(const std::vector<PageRange>& gaps);
  SegmentVerdict fill_fresh(const std::vector<PageRange>& gaps, std::vector<FreshSegment>& fresh);
  void keep(PageRange range, std::uint32_t segment);
  void undo(const std::vector<FreshSegment>& fresh);
  std::optional<std::uint32_t> make_lendable(PageRange range);
  std::optional<std::uint32_t> move_to_fresh(PageRange range);
  void end_use(PageRange range, bool lent, std::vector<PageRange>& ended);
  SegmentVerdict give_back_unused(std::vector<PageRange> ended, PageRange lent);
  std::vector<SegmentRun> take_unused(const std::vector<PageRange>& ended);
  void publish(PageRange changed);

  SegmentRegistrar& registrar_;
  SegmentIndex index_;
  std::mutex mutex_;
  BellPages bells_;
  std::unique_ptr<State> state_;
  // In a forked child, what was the parent's state. It stays, untouched: its end would unmap what
  // the child now has as private memory. Only pointed to so that leak checkers see it.
  State* inherited_ = nullptr;
};

}  // namespace vmmc::internal
