// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Simulated time, and what is to happen in it.
//
// Events happen in the order of their times; those of one time in the order in which they were
// entered. So the same program gives the same run on every machine.
//
// Threads: one. Time: picoseconds, so that a byte at 200 MB/s (5000 ps) is a whole number. It lasts until
// kLastTime, for 106 days: what is to happen later never happens, and then is_over() says so. Sums and
// conversions of times stop at kNever instead of beginning again.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vmmc::nicsim::parts {

using Time = std::uint64_t;

inline constexpr Time kPicosecondsPerNanosecond = 1000;
inline constexpr Time kNever = UINT64_MAX;
inline constexpr Time kLastTime = INT64_MAX;

// kNever if it would be later than that.
inline Time sum(Time time, Time delay) { return delay > kNever - time ? kNever : time + delay; }

// A number of picoseconds as a time: kNever from kLastTime on; not negative.
inline Time from_ps(double ps) {
  return ps < static_cast<double>(kLastTime) ? static_cast<Time>(std::llround(ps)) : kNever;
}

// The same on every machine: one multiplication and one rounding of IEEE doubles.
inline Time from_ns(double ns) { return from_ps(ns * 1000.0); }
inline double to_ns(Time time) { return static_cast<double>(time) / 1000.0; }

// How long so many bytes take; 0 MB/s: no time.
inline Time time_of_bytes(std::uint64_t bytes, double mb_per_s) {
  if (mb_per_s == 0) return 0;
  return from_ps(static_cast<double>(bytes) * 1e6 / mb_per_s);
}

class EventQueue {
 public:
  using Action = void (*)(void* object, std::uint64_t argument);

  Time now() const { return now_; }
  bool empty() const { return events_.empty(); }
  // kNever if there is none.
  Time next() const { return events_.empty() ? kNever : events_.front().time; }
  std::uint64_t executed() const { return executed_; }
  // Something was to happen after kLastTime.
  bool is_over() const { return is_over_; }

  // `time` is not before now(). After kLastTime: it never happens.
  void at(Time time, Action action, void* object, std::uint64_t argument = 0);
  void after(Time delay, Action action, void* object, std::uint64_t argument = 0) {
    at(sum(now_, delay), action, object, argument);
  }
  // queue.after<&Part::method>(delay, part, argument): part.method(argument)
  template <auto kMethod, typename Part>
  void at(Time time, Part& part, std::uint64_t argument = 0) {
    at(
        time,
        [](void* object, std::uint64_t value) { (static_cast<Part*>(object)->*kMethod)(value); },
        &part, argument);
  }
  template <auto kMethod, typename Part>
  void after(Time delay, Part& part, std::uint64_t argument = 0) {
    at<kMethod>(sum(now_, delay), part, argument);
  }

  // Carries out the next event. False: there is none.
  bool step();
  // Carries out all events up to and including `time`, which is now() afterwards.
  void run_until(Time time);
  void run() {
    while (step()) {
    }
  }

 private:
  struct Event {
    Time time;
    std::uint64_t order;
    Action action;
    void* object;
    std::uint64_t argument;

    bool before(const Event& other) const {
      return time != other.time ? time < other.time : order < other.order;
    }
  };

  void sift_up(std::size_t place, const Event& event);
  void sift_down(const Event& event);

  // A heap of four children each: flatter than one of two, and the four lie side by side.
  std::vector<Event> events_;
  Time now_ = 0;
  std::uint64_t entered_ = 0;
  std::uint64_t executed_ = 0;
  bool is_over_ = false;
};

}  // namespace vmmc::nicsim::parts
