// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The registration cache: our counterpart of VMMC-2's user-managed TLB (UTLB). The program says
// once which memory it will use for transfers; which of its pages nicsim has mapped (is pinned) at
// a time follows from the transfers that are made.
//
// A region is cut into chunks of kChunkBytes; the last one has from half of that to less than one
// and a half, or the whole of a small region. A transfer that finds all its bytes in segments is a
// hit. Otherwise it is a miss: what is not shared yet of the chunks that it touches becomes shared
// in place, a segment for each chunk, and chunks that were used least recently give way if there
// would be more than the limit. Pages that are shared already, because they are exported or from
// vmmc_alloc, are left to those.
//
//   cache.prepare(source, length);           // true: all of it stands in segments now
//   ... under the send queue's lock, until nothing is left:
//   segments.find_prefix(source, left);      // as much as one descriptor can name
//
// A transfer is in as many segments as it touches chunks, hence find_prefix().
//
// Why no chunk is taken away under a transfer
//   What prepare() says is advice: the chunk may be gone before the caller looks. The answer that
//   counts is find_prefix() under the lock of the send queue. A chunk is first hidden from it, then
//   SharedSegments waits (settle_transfers) until everything that looked before under that lock has
//   been carried out, and only then are the pages replaced. So a transfer either has named the
//   segment before, and is waited for, or does not find it and is staged.
//
// Cost, measured on a 2-core virtual x86-64 machine (Linux 6.18): a hit 0.1 us; a miss 1.1 ms per
// MiB, and 0.75 ms per MiB for what leaves. A transfer in place saves 0.06 to 0.1 ms per MiB there,
// so that pinning pays after some 15 to 30 hits, and a program that uses more memory by turns than
// the limit admits is better off without.
//
// Threads and processes
//   prepare(), counters(): any thread. A hit takes no lock and is async-signal-safe; a miss takes a
//   mutex and allocates memory, so a signal handler may call prepare() only for memory that it
//   knows to be pinned or in no region. If it interrupted this class in its own thread, a miss is
//   not carried out. All others: any thread, one at a time (that mutex).
//   The mutex is held while SharedSegments is called. Fork: before_fork() before that of
//   SharedSegments, after_fork() after its two. In the child the object is of no more use.
//   While pages are pinned or unpinned, threads that store there wait, under the rules of
//   page_adoption.h; that may happen at any transfer of the process.
//
// Invariants
//   Bytes that the cache covers = pinned_bytes <= limit, at every moment. Of chunks used at
//   different times the one used longest ago leaves first, and never one that the transfer needs
//   for which room is made. A transfer that needs more than the limit changes nothing.
//   Memory that cannot be adopted is not tried again by the next kRetryAfter transfers.
//   Two regions, or a region and an export, may share a page: the first one that pins it counts it.
//
// What a crash at any instruction leaves behind: nothing, all memory is anonymous.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "vmmc/internal/memory/page_range.h"
#include "vmmc/internal/memory/segment_index.h"
#include "vmmc/internal/memory/shared_segments.h"
#include "vmmc/internal/memory/use_stamps.h"

namespace vmmc::internal {

class RegistrationCache {
 public:
  static constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
  static constexpr std::size_t kDefaultLimit = std::size_t{64} << 20;
  static constexpr std::uint64_t kRetryAfter = 1024;

  explicit RegistrationCache(SharedSegments& segments) : segments_(segments) {}
  RegistrationCache(const RegistrationCache&) = delete;
  RegistrationCache& operator=(const RegistrationCache&) = delete;

  // As vmmc_register and vmmc_unregister; failures leave their sentence in last_error(). remove()
  // waits for the transfers from the region.
  int add(const void* address, std::size_t length);
  int remove(const void* address);

  // As vmmc_set_pin_limit: chunks leave now if more is pinned.
  void set_limit(std::size_t bytes);

  // Called for a transfer whose bytes are worth it. True: all of them stood in segments a moment
  // ago. Concerns the region that holds the first byte, and those that follow it without a gap; of
  // other memory it says only where it stands.
  bool prepare(const void* source, std::size_t length);

  struct Counters {
    std::uint64_t hits = 0;       // transfers that found all that is registered of them shared
    std::uint64_t misses = 0;     // transfers that did not
    std::uint64_t evictions = 0;  // chunks that left to make room
    std::uint64_t pinned_bytes = 0;
  };
  Counters counters() const;

  // Forgets all regions; nothing is pinned.
  void release_all();

  void before_fork();
  void after_fork();

 private:
  // Its chunks are numbered from first_chunk on, throughout all regions.
  struct Region {
    std::uintptr_t first_page;
    std::uintptr_t end;  // of the bytes registered
    std::uint32_t first_chunk;

    std::uint32_t chunks() const;
    std::uint32_t chunk_at(std::uintptr_t address) const;
    PageRange pages_of(std::uint32_t chunk) const;
  };
  struct Chunk {
    std::uint32_t number;
    PageRange pages;
  };
  struct Missing {
    std::uint32_t chunk;
    PageRange pages;
  };
  struct Pinned {
    std::vector<PageRange> ranges;
    std::size_t bytes = 0;
  };
  struct Use {
    std::size_t registered = 0;  // bytes of the transfer, from the first one on
    bool refused = false;        // a chunk of them could not be adopted a short time ago
  };
  class Turn;

  Use note_use(std::uintptr_t address, std::size_t length);
  bool stands_in_segments(std::uintptr_t address, std::size_t length) const;
  void pin(std::uintptr_t address, std::size_t length);
  std::vector<Chunk> chunks_of(std::uintptr_t address, std::size_t length) const;
  std::vector<Missing> missing_of(const std::vector<Chunk>& chunks);
  bool make_room(const std::vector<Chunk>& wanted, const std::vector<Missing>& missing);
  void pin_missing(const std::vector<Missing>& missing);
  void evict_until(std::size_t bytes_left, const std::vector<Chunk>& except);
  void unpin(const std::vector<std::uint32_t>& chunks);
  std::uint32_t free_chunk_numbers(std::uint32_t count) const;
  void publish();

  SharedSegments& segments_;
  SegmentIndex index_;  // of regions: the "segment" is first_chunk, counted from first_page
  UseStamps last_use_;  // of each chunk, by uses_; or when it was refused
  std::atomic<std::uint64_t> uses_{0};
  std::atomic<std::uint64_t> misses_{0};
  std::atomic<std::uint64_t> evictions_{0};
  std::atomic<std::size_t> pinned_bytes_{0};
  std::atomic<std::size_t> limit_{kDefaultLimit};

  std::mutex mutex_;
  std::map<std::uintptr_t, Region> regions_;  // by the first byte registered
  std::map<std::uint32_t, Pinned> pinned_;    // by chunk; none is empty
};

}  // namespace vmmc::internal
