// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The pace: how fast the network interfaces work, for who wants to watch. At full speed, the default, it
// costs the loop one branch. Else the loop asks before each packet: in real time before a packet is moved,
// in simulated time before each event, so that simulated time stands still while the pace holds it.
//
// What moves no packet (a mark, an operation that is refused before it leaves) waits as the others do, and
// passes with the next packet behind it: it uses up neither a step nor an interval.
//
// What the processes do meanwhile is theirs: they wait for what does not come.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "nicsim/attention.h"

namespace vmmc::nicsim {

class Pace {
 public:
  enum class Mode : std::uint8_t {
    kFull,    // as fast as it can
    kPaused,  // nothing moves, but what step() lets pass
    kSlow,  // real time: a packet each `interval`; simulated time: `slowdown` ns of real time for each ns
            // between two events, at least
  };
  using Clock = std::chrono::steady_clock;

  // `attention`, if there is one, is told whether packets have to ask.
  explicit Pace(Attention* attention = nullptr) : attention_(attention) {}

  void full();  // ends a hold, too
  void pause();
  void slow(std::chrono::nanoseconds interval, double slowdown);
  // While paused: one packet may pass; in simulated time, everything up to and including the next packet's
  // landing in memory (or its refusal, or its loss). One at a time: nothing more until it has passed.
  void step();
  // Nothing moves before then but at full speed, which ends it when it is asked for. (A packet that is
  // delayed in real time: the backplane keeps the order, so everything waits behind it.)
  void hold_until(Clock::time_point time);
  void hold_for(std::chrono::nanoseconds time);  // at most a year

  Mode mode() const { return mode_; }
  std::chrono::nanoseconds interval() const { return interval_; }
  double slowdown() const { return slowdown_; }
  bool is_full() const { return full_; }  // and not held: the one branch

  // Real time: whether a packet may move now.
  bool may_pass();
  // Simulated time, in picoseconds: whether the next event, which is at this time, may happen now. If so,
  // it does. The real time between two events is counted from when the later one is asked for first: what
  // passes while nothing is to happen is no credit for what follows.
  bool may_reach(std::uint64_t simulated);
  // A packet has moved (real time), or has landed or was refused (simulated time): ends a step, and begins
  // an interval.
  void packet_passed();
  // When to ask again: a real time, or the largest one if only a call of the functions above changes it.
  Clock::time_point ask_again() const;

 private:
  void begin(Mode mode);
  void refresh();

  Mode mode_ = Mode::kFull;
  bool full_ = true;
  Attention* const attention_;
  bool step_ = false;  // one may pass
  std::chrono::nanoseconds interval_{0};
  double slowdown_ = 1;
  Clock::time_point held_until_{};  // nothing moves before then
  Clock::time_point next_{};        // slow: not before then
  // Slow, in simulated time: the event that has happened last, and the one that next_ is for.
  std::uint64_t reached_ = UINT64_MAX;
  std::uint64_t waits_for_ = UINT64_MAX;
};

}  // namespace vmmc::nicsim
