// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The threads of one process in simulated time: which of them are parked, what they wait for, and which one
// goes on next.
//
// A process has one processor: of its threads that may go on, one does, and the others when it has parked
// again; those that notifications have woken first. A thread that computes goes on when it has had the
// processor for its time: what others of its process use of it meanwhile comes on top.
//
// Threads: used by nicsim's one thread. The client changes its contexts at any time: a park is copied
// once, and nothing of it is believed but what it says of its own threads.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "nicsim/channel_view.h"
#include "nicsim/parts/event_queue.h"
#include "nicsim/process.h"
#include "nicsim/run.h"

namespace vmmc::nicsim::simulated {

using parts::Time;

class ParkedThreads {
 public:
  // A process that attaches at `now`, and that `look` passes for if it looks at its memory again and
  // again without letting time pass; > 0.
  ParkedThreads(wire::Channel& channel, Time now, Time look)
      : channel_(channel), look_(look), went_on_(now) {}

  // Takes note of new parks. How many threads run.
  std::uint32_t look();

  // Everything that was asked for before the new parks has begun, and `clock` is the process's clock:
  // from here on their waits count, and those go on whom a thread of their process has woken. When the
  // first of the waits ends, or kNever.
  Time settle(Time clock);

  // One of those that come back from outside goes on. False: there is none.
  bool let_come_back();
  bool somebody_comes_back() const;

  // Whether a thread of the client, which may take no part itself, has woken one that is parked.
  bool somebody_woken() const;

  // Something has happened that those go on for who wait for `reasons`.
  void happened(std::uint32_t reasons);
  // The same for bytes that have come to memory of the process.
  void arrived(const Process& process, const Run& run);

  // A thread that was not parked has waited for nicsim, and goes on: what it does counts from `clock` on.
  void went_on(Time clock) { went_on_ = std::max(went_on_, clock); }

  // The processor was taken from the threads that compute for so long.
  void delay(Time cost);

  // Lets one thread go on that may at `now`. False: there is none.
  bool resume_one(Time now);
  // Whether there is one.
  bool ready(Time now) const { return next_ready(now).has_value(); }
  // The end of the earliest wait that has been settled, or kNever.
  Time next_due() const;

 private:
  struct Thread {
    bool parked = false;
    bool settled = false;  // `due` counts
    bool roused = false;
    bool comes_back = false;  // from outside, when nothing else is to happen
    std::uint32_t parks = 0;  // the client's count when its park was copied
    std::uint32_t reasons = 0;
    std::uint32_t watch_segment = 0;
    std::uint64_t watch_offset = 0;
    std::uint64_t wait = 0;
    Time due = parts::kNever;
  };

  static bool is_new(const Thread& thread) { return thread.parked && !thread.settled; }
  static bool computes(const Thread& thread) { return (thread.reasons & wire::kComputes) != 0; }
  static bool is_outside(const Thread& thread) { return (thread.reasons & wire::kIsOutside) != 0; }
  static void copy(Thread& thread, const wire::TimeContext& context);
  bool may_go_on(const Thread& thread, Time now) const {
    return thread.parked && thread.settled && (thread.roused || thread.due <= now);
  }
  std::optional<std::uint32_t> next_ready(Time now) const;
  Time cost_of_look(Time clock);

  static constexpr std::uint32_t kFreeLooks = 8;  // at one time

  wire::Channel& channel_;
  const Time look_;
  Time looked_at_ = parts::kNever;  // the clock of the last park that waits for nothing
  std::uint32_t looks_ = 0;         // at that time
  std::array<Thread, wire::kTimeContexts> threads_;
  Time went_on_;  // when a thread of the process went on last; what it used before is accounted for
};

}  // namespace vmmc::nicsim::simulated
