// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A ring that is open: its frames, where they come from, and who may join.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "nicsim/frames/frame_rings.h"

namespace vmmc::nicsim {

struct FrameRings::OpenRing {
  static constexpr std::chrono::milliseconds kLongestStretch{20};
  static constexpr std::chrono::microseconds kSecondLook{100};

  std::unique_ptr<FrameRing> frames;
  const Process* opener;  // nullptr: has left
  std::uint32_t id;       // at its opener
  struct Joiners {        // as in an export's rights
    std::uint32_t user;
    std::uint32_t node;
    std::uint32_t process;
    bool admit(const Process& joiner) const {
      return (user == wire::kAnyUser || user == joiner.uid) &&
             (node == wire::kAnyNode || node == joiner.node) &&
             (process == wire::kAnyProcess || process == joiner.id);
    }
  } joiners;
  std::uint64_t bytes;   // of blocks
  std::uint64_t charge;  // all memory that it takes
  const Process* payer;  // whose limits it counts in: the opener, while that is attached
  wire::OpenRingRequest request;
  bool begun = false;  // so many have joined as its opener wanted, or nobody can any more
  std::uint32_t link_type = wire::kBackplaneLinkType;

  // The source is gone when it has ended; the backplane has none.
  std::unique_ptr<FrameSource> source;
  std::unique_ptr<SourceWatch> watch;  // ends before its source
  bool source_waits = false;
  bool to_publish = false;  // frames of this share
  Clock::time_point asked_for_lost{};
  // Since when a source that is never dry has given nothing; {}: it has.
  Clock::time_point dry_since{};
  std::size_t dry_turn = 0;  // the serve() in which it had nothing
  // Taken from the source; those from `next` on have not been written yet.
  std::array<Frame, kBatch> batch;
  std::size_t next = 0;
  std::size_t taken = 0;

  // When a source without a descriptor is to be asked again.
  Clock::time_point time_to_ask(Clock::time_point now) {
    const auto due = source->next_time();
    if (due != Clock::time_point::max()) return due;
    // It has only paused in a long stretch without frames. But one that is stuck must not keep nicsim busy.
    if (dry_since == Clock::time_point{}) dry_since = now;
    return now - dry_since < kLongestStretch ? Clock::time_point::min() : now + kSecondLook;
  }

  void end_source() {
    next = taken = 0;  // they refer to it
    watch.reset();
    source.reset();
  }
};

// What may still be moved in one serve().
struct FrameRings::Share {
  Clock::time_point now;
  std::size_t frames;
  std::size_t bytes;
};

}  // namespace vmmc::nicsim
