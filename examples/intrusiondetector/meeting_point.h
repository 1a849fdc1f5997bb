// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Brings what all processes have seen to rank 0: openings of connections, in batches, and in the end the sums. Each other
// rank sends into an inbox of its own at rank 0, by deliberate update; nobody is called.
//
// Threads and processes
//   One thread of each. Rank 0 looks into its inboxes now and then: a rank whose inbox is full waits for that.
//
// Invariants
//   A batch and its number go to the same buffer, in this order; order is promised within one buffer. A rank sends a batch
//   only when the one before has been read.
//
// What a crash at any instruction leaves behind
//   Nothing: the others wait until their patience ends, or vmmcrun ends them at once.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "examples/intrusiondetector/scan_watch.h"

namespace examples::intrusiondetector {

struct Sums {
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;
  std::uint64_t flows = 0;
  std::uint64_t forgotten = 0;
  std::uint64_t alerts = 0;
  std::uint64_t dropped = 0;
  std::uint64_t source_dropped = 0;
  Sums& operator+=(const Sums& other);
};

class MeetingPoint {
 public:
  // Attached already. `before` runs in the ranks but 0, once rank 0 has got here; rank 0 goes on when it has returned in
  // all of them.
  MeetingPoint(std::function<void(const Opening&)> on_opening, const std::function<void()>& before);

  void add(const Opening& opening);
  // Rank 0: takes what the others have sent. The others: send what is there. Cheap when there is nothing.
  void exchange();
  // The last call, with the sums of this rank; those of rank 0 may grow while it takes what the others still send. In rank
  // 0: the sums of all.
  Sums finish(const Sums& own);

 private:
  static constexpr std::uint32_t kMost = 128;

  struct Batch {
    Opening openings[kMost];
    Sums sums;
    std::uint32_t count = 0;
    std::uint32_t last = 0;  // nothing comes behind it
  };
  // At rank 0, one for each of the others.
  struct Inbox {
    Batch batch;
    std::uint32_t number;  // batches sent
    std::uint32_t reserved;
  };
  struct Peer {
    const Inbox* inbox;
    std::uint32_t* emptied_there;  // proxy
    std::uint32_t emptied = 0;
    bool ended = false;
  };

  void take();
  void send();

  std::function<void(const Opening&)> on_opening_;
  Sums sums_;  // of the others

  std::vector<Peer> peers_;  // rank 0

  Batch* batch_ = nullptr;  // the others: what is being collected
  Inbox* inbox_ = nullptr;  // proxy
  std::uint32_t* emptied_ = nullptr;
  std::uint32_t sent_ = 0;
};

}  // namespace examples::intrusiondetector
