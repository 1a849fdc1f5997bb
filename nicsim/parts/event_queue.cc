// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "nicsim/parts/event_queue.h"

#include <algorithm>
#include <cassert>

namespace vmmc::nicsim::parts {
namespace {

constexpr std::size_t kChildren = 4;

}  // namespace

// Moves the gap at `place` up to where `event` belongs.
void EventQueue::sift_up(std::size_t place, const Event& event) {
  while (place > 0) {
    const std::size_t parent = (place - 1) / kChildren;
    if (!event.before(events_[parent])) break;
    events_[place] = events_[parent];
    place = parent;
  }
  events_[place] = event;
}

// Moves the gap at the top down to where `event` belongs.
void EventQueue::sift_down(const Event& event) {
  const std::size_t count = events_.size();
  std::size_t place = 0;
  for (;;) {
    const std::size_t first = place * kChildren + 1;
    if (first >= count) break;
    std::size_t earliest = first;
    const std::size_t end = std::min(first + kChildren, count);
    for (std::size_t child = first + 1; child < end; ++child) {
      if (events_[child].before(events_[earliest])) earliest = child;
    }
    if (!events_[earliest].before(event)) break;
    events_[place] = events_[earliest];
    place = earliest;
  }
  events_[place] = event;
}

void EventQueue::at(Time time, Action action, void* object, std::uint64_t argument) {
  assert(time >= now_);
  if (time > kLastTime) {
    is_over_ = true;
    return;
  }
  const Event event{time, entered_++, action, object, argument};
  events_.push_back(event);
  sift_up(events_.size() - 1, event);
}

bool EventQueue::step() {
  if (events_.empty()) return false;
  const Event event = events_.front();
  const Event last = events_.back();
  events_.pop_back();
  if (!events_.empty()) sift_down(last);
  now_ = event.time;
  ++executed_;
  event.action(event.object, event.argument);
  return true;
}

void EventQueue::run_until(Time time) {
  assert(time >= now_);
  while (!events_.empty() && events_.front().time <= time) step();
  now_ = time;
}

}  // namespace vmmc::nicsim::parts
