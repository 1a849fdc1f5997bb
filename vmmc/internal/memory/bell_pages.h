// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Where this process has mapped the bells of its buffers (nicsim/wire/buffer_bell.h).
//
//   chunk of reserved addresses   | guard | bell | bell | ... | bell | guard |
//
// Bells stand apart from the buffers: a program that runs over the end of its buffer reaches none.
//
// Threads and processes
//   begin(), end(): one thread at a time (SharedSegments has the lock). A bell may be loaded and
//   stored to by any thread as long as this object lives: also after its end(), when nobody hears it,
//   so that who found it just before need not be waited for. A thread that is later still may store to
//   the bell that has come to the same place: begin() takes the places of a chunk in turn, so that this
//   is long after.
//   Fork: no other function may be under way. In the child make_private_after_fork() ends all bells;
//   the object goes on with what it has reserved.
//
// Invariants
//   A place holds a bell; or a private page of the process's own; or, never used yet, nothing
//   accessible. The first and the last page of a chunk are never accessible.
//
// What a crash at any instruction leaves behind: nothing, all memory is anonymous.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nicsim/wire/buffer_bell.h"
#include "platform/result.h"

namespace vmmc::internal {

class BellPages {
 public:
  static constexpr std::size_t kChunkPages = 1024;  // less where there are few addresses left
  static constexpr std::size_t kLeastPages = 4;

  BellPages() = default;
  ~BellPages();
  BellPages(const BellPages&) = delete;
  BellPages& operator=(const BellPages&) = delete;

  // The bell in the page of the memfd `fd` at byte `offset`. The descriptor may be closed afterwards.
  platform::Result<wire::BufferBell*> begin(int fd, std::size_t offset);

  // The place holds zeros afterwards. If there is no memory for that, the page stays the memfd's until
  // a later begin() or end() has been able to replace it.
  void end(wire::BufferBell* bell);

  // In a forked child: no page stays shared with the parent. Async-signal-safe.
  void make_private_after_fork();

  // Places that all calls of begin() so far have looked at.
  std::uint64_t looks() const { return looks_; }

 private:
  enum class Place : std::uint8_t {
    kFree,   // private or not accessible
    kBell,   // a page of a memfd
    kStale,  // the same, of a bell that has ended
    kLost,   // not ours any more
  };
  struct Chunk {
    std::byte* base = nullptr;
    std::size_t next = 0;       // where to look for a free place first
    std::size_t free = 0;       // places
    std::vector<Place> places;  // from the second page on

    void* page(std::size_t place) const;
  };

  Chunk* reserve();
  void retire_stale();

  std::vector<Chunk> chunks_;
  std::size_t stale_ = 0;
  std::uint64_t looks_ = 0;
};

}  // namespace vmmc::internal
