// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/simulated/parked_threads.h"

#include <algorithm>
#include <utility>

#include "platform/futex.h"

namespace vmmc::nicsim::simulated {
namespace {

constexpr std::uint32_t word(wire::ContextState state) { return static_cast<std::uint32_t>(state); }

// Time that is never reached: what is later than that would not leave the others the room for theirs.
constexpr Time kLatest = Time{1} << 62;  // 53 days

// Written only if it is set: the line is the client's.
bool take_woken(wire::TimeContext& context) {
  return context.woken.load(std::memory_order_seq_cst) != 0 &&
         context.woken.exchange(0, std::memory_order_seq_cst) != 0;
}

Time sum(Time time, Time more) {
  return time >= kLatest || more >= kLatest - time ? parts::kNever : time + more;
}

}  // namespace

std::uint32_t ParkedThreads::look() {
  std::uint32_t running = 0;
  for (std::uint32_t i = 0; i < wire::kTimeContexts; ++i) {
    const wire::TimeContext& context = channel_.time_contexts[i];
    Thread& thread = threads_[i];
    const std::uint32_t state = context.state.load(std::memory_order_acquire);
    if (state == word(wire::ContextState::kRunning)) ++running;
    if (state != word(wire::ContextState::kParked)) {
      thread.parked = false;
    } else if (!thread.parked || thread.parks != context.parks) {
      copy(thread, context);
    }
  }
  return running;
}

void ParkedThreads::copy(Thread& thread, const wire::TimeContext& context) {
  thread = {};
  thread.parked = true;
  thread.parks = context.parks;
  thread.reasons = context.reasons;
  thread.watch_segment = context.watch_segment;
  thread.watch_offset = context.watch_offset;
  thread.wait = context.wait;
}

Time ParkedThreads::settle(Time clock) {
  // Those that compute already have not had the processor meanwhile.
  if (std::any_of(threads_.begin(), threads_.end(), is_new))
    delay(clock - std::min(clock, went_on_));
  went_on(clock);
  for (std::uint32_t i = 0; i < wire::kTimeContexts; ++i) {
    Thread& thread = threads_[i];
    if (!thread.parked) continue;
    if (take_woken(channel_.time_contexts[i])) {
      (is_outside(thread) ? thread.comes_back : thread.roused) = true;
    }
    if (thread.settled) continue;
    if (computes(thread)) delay(thread.wait);
    thread.due = sum(clock, thread.wait == 0 ? cost_of_look(clock) : thread.wait);
    thread.settled = true;
  }
  return next_due();
}

// A program that does nothing but ask for its clock would keep it from going on.
Time ParkedThreads::cost_of_look(Time clock) {
  if (clock != std::exchange(looked_at_, clock)) looks_ = 0;
  return ++looks_ > kFreeLooks ? look_ : 0;
}

bool ParkedThreads::somebody_woken() const {
  for (const wire::TimeContext& context : channel_.time_contexts) {
    if (context.woken.load(std::memory_order_relaxed) != 0 &&
        context.state.load(std::memory_order_relaxed) == word(wire::ContextState::kParked)) {
      return true;
    }
  }
  return false;
}

bool ParkedThreads::somebody_comes_back() const {
  return std::any_of(threads_.begin(), threads_.end(),
                     [](const Thread& thread) { return thread.parked && thread.comes_back; });
}

bool ParkedThreads::let_come_back() {
  for (Thread& thread : threads_) {
    if (!thread.parked || !std::exchange(thread.comes_back, false)) continue;
    thread.roused = true;
    return true;
  }
  return false;
}

void ParkedThreads::delay(Time cost) {
  for (Thread& thread : threads_) {
    if (thread.parked && thread.settled && computes(thread)) thread.due = sum(thread.due, cost);
  }
}

void ParkedThreads::happened(std::uint32_t reasons) {
  for (Thread& thread : threads_) {
    if (thread.parked && (thread.reasons & reasons) != 0) thread.roused = true;
  }
}

void ParkedThreads::arrived(const Process& process, const Run& run) {
  happened(wire::kWakeOnArrival);
  for (Thread& thread : threads_) {
    if (!thread.parked || (thread.reasons & wire::kWakeOnWatch) == 0) continue;
    const auto segment = process.segments.find(thread.watch_segment);
    if (segment == process.segments.end() || !segment->second->contains(thread.watch_offset, 1)) {
      continue;
    }
    const std::byte* watched = segment->second->data() + thread.watch_offset;
    if (watched < run.address + run.length && run.address < watched + wire::kWatchedBytes) {
      thread.roused = true;
    }
  }
}

std::optional<std::uint32_t> ParkedThreads::next_ready(Time now) const {
  std::optional<std::uint32_t> first;
  for (std::uint32_t i = 0; i < wire::kTimeContexts; ++i) {
    if (!may_go_on(threads_[i], now)) continue;
    if ((threads_[i].reasons & wire::kWakeOnNotification) != 0) return i;
    if (!first) first = i;
  }
  return first;
}

bool ParkedThreads::resume_one(Time now) {
  const auto next = next_ready(now);
  if (!next) return false;
  Thread& thread = threads_[*next];
  wire::TimeContext& context = channel_.time_contexts[*next];
  thread.parked = false;
  went_on_ = now;
  context.clock = now;
  context.left =
      thread.due == parts::kNever ? wire::kNoEnd : thread.due - std::min(thread.due, now);
  // Another thread of the process may have let it go on already.
  std::uint32_t expected = word(wire::ContextState::kParked);
  if (context.state.compare_exchange_strong(expected, word(wire::ContextState::kRunning))) {
    platform::futex_wake(context.state);
  }
  return true;
}

Time ParkedThreads::next_due() const {
  Time first = parts::kNever;
  for (const Thread& thread : threads_) {
    if (thread.parked && thread.settled) first = std::min(first, thread.due);
  }
  return first;
}

}  // namespace vmmc::nicsim::simulated
