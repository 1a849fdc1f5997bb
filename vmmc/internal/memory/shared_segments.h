// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The memory that this process shares with nicsim: what vmmc_alloc gave out, and the pages adopted
// for exports and for the registration cache.
//
// A segment is a memfd registered with nicsim. Allocated segments are mapped where the kernel
// likes; adopted ones replace the pages of the program in place (page_adoption). A page belongs to
// at most one segment; buffers may share pages.
//
// Threads and processes
//   find(), find_prefix(): any thread and signal handlers, no lock. All others but those for fork:
//   any thread, one at a time (a mutex inside). The registrar is called with that mutex held and
//   must not call back. Fork: pthread_atfork handlers must call before_fork(),
//   after_fork_in_parent() and make_private_after_fork(). A lock of the caller that it holds while
//   it calls this class must be taken before before_fork().
//
// Invariants
//   A page is shared exactly while it is covered, or allocated. Exception: pages that could not be
//   given back for want of memory stay shared, are found and covered again, and are tried again by
//   the next release. Covered pages that the program has unmapped, against the rules, are forgotten
//   at their release. After an error every page is as it was before the call. No memfd stays open
//   here: nicsim has its own descriptor, and the mappings need none.
//
// What a crash at any instruction leaves behind: nothing, all memory is anonymous.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nicsim/wire/control.h"
#include "platform/shared_memory.h"
#include "vmmc/internal/memory/page_adoption.h"
#include "vmmc/internal/memory/page_range.h"
#include "vmmc/internal/memory/segment_index.h"
#include "vmmc/internal/memory/segment_runs.h"

namespace vmmc::internal {

// How segments are made known to nicsim. Statuses are enum vmmc_status.
struct SegmentRegistrar {
  virtual ~SegmentRegistrar() = default;
  // `fd` is a sealed memfd of `bytes`; it is closed by the caller afterwards. A failure leaves its
  // sentence in last_error().
  virtual int register_segment(int fd, std::size_t bytes, std::uint32_t* id) = 0;
  virtual void release_segment(std::uint32_t id) = 0;
  // Returns when no transfer is under way any more whose source was found (SharedSegments::find)
  // before the call, or nicsim is gone.
  virtual void settle_transfers() = 0;
};

// VMMC_OK, or another status with a part of a sentence (no capital, no full stop) that says why.
struct SegmentVerdict {
  int status = 0;
  std::string detail;
  bool ok() const { return status == 0; }
};

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
  struct Cover {
    SegmentVerdict verdict;
    std::uint32_t page_offset = 0;  // of the first byte in the first page
    std::vector<wire::Extent> extents;
  };
  Cover cover(const void* address, std::size_t length);

  // Ends what cover() began. Adopted pages that nobody covers any more become private again,
  // content kept; transfers from there are waited for. REQUIRES: nicsim does not write there any
  // more for the export that ends.
  void release(const void* address, std::size_t length);

  // The same for many disjoint ranges at once, each in segments of its own: all of them or none are
  // covered, and transfers are waited for once. Errors: as cover().
  SegmentVerdict cover_pages(std::span<const PageRange> ranges);
  void release_pages(std::span<const PageRange> ranges);

  // The parts of `pages` that are in no segment.
  std::vector<PageRange> unshared(PageRange pages);

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

  // Ends everything: adopted pages become private (content kept), allocated memory is unmapped.
  void release_all();

  // Around fork(), see above. make_private_after_fork() gives the child private copies of all
  // adopted and allocated memory and empties this object without a word to the registrar;
  // async-signal-safe.
  void before_fork();
  void after_fork_in_parent();
  void make_private_after_fork();

 private:
  struct Segment {
    platform::SharedMapping mapping;  // of an allocated one
    std::size_t adopted_pages = 0;    // of an adopted one: pages of the program that are in it

    bool allocated() const { return mapping.size() > 0; }
    PageRange allocated_range() const {
      return pages_around(reinterpret_cast<std::uintptr_t>(mapping.data()), mapping.size());
    }
  };
  struct State {
    SegmentRuns runs;
    std::map<std::uint32_t, Segment> segments;  // by id
    State* inherited = nullptr;                 // see below
  };
  struct FreshSegment {
    PageRange range;
    platform::FileDescriptor memory;
    std::uint32_t id = 0;
    bool adopted = false;
  };

  State& state();
  SegmentVerdict create_segment(std::size_t bytes, platform::FileDescriptor* memory,
                                std::uint32_t* id);
  SegmentVerdict adopt_gaps(const std::vector<PageRange>& gaps);
  SegmentVerdict fill_fresh(const std::vector<PageRange>& gaps, std::vector<FreshSegment>& fresh);
  void keep(const FreshSegment& fresh);
  void undo(const std::vector<FreshSegment>& fresh);
  void give_back_unused();
  void publish() { index_.publish(state().runs.entries()); }

  SegmentRegistrar& registrar_;
  SegmentIndex index_;
  std::mutex mutex_;
  std::unique_ptr<State> state_;
  // In a forked child, what was the parent's state. It stays, untouched: its end would unmap what
  // the child now has as private memory. Only pointed to so that leak checkers see it.
  State* inherited_ = nullptr;
};

}  // namespace vmmc::internal
