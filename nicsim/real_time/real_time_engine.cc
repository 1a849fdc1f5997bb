// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/real_time/real_time_engine.h"

#include <algorithm>

namespace vmmc::nicsim::real_time {

void RealTimeEngine::add(Carrier& carrier) {
  const auto after = std::upper_bound(
      carriers_.begin(), carriers_.end(), carrier.deadline(),
      [](std::uint64_t deadline, const Carrier* other) { return deadline < other->deadline(); });
  carriers_.insert(after, &carrier);
  find_shortest_interval();
}

void RealTimeEngine::remove(Carrier& carrier) {
  std::erase(carriers_, &carrier);
  find_shortest_interval();
}

void RealTimeEngine::find_shortest_interval() {
  shortest_interval_ = UINT64_MAX;
  for (const Carrier* const carrier : carriers_)
    shortest_interval_ = std::min(shortest_interval_, carrier->interval());
}

bool RealTimeEngine::is_idle() const {
  return std::all_of(carriers_.begin(), carriers_.end(),
                     [](const Carrier* carrier) { return carrier->is_idle(); });
}

// Reads the clock also if nothing waits: what is sent next was not sent before that. And once more
// before it carries out what it has found: that may have been sent after the first look at the
// clock, and is not to be taken for older than it is.
RealTimeEngine::Served RealTimeEngine::serve_packet() {
  if (carriers_.empty()) return Served::kNothing;
  const std::uint64_t now = clock_();
  for (Carrier* const carrier : carriers_) carrier->settle(now);
  for (const bool beyond_budget : {false, true}) {
    for (Carrier* const carrier : carriers_) {
      if (!carrier->has_packet(now, beyond_budget)) continue;
      carrier->serve(clock_(), beyond_budget);
      return beyond_budget ? Served::kBeyondBudget : Served::kPacket;
    }
  }
  return Served::kNothing;
}

// Ends: what is within the budgets is less than the network interface can do.
bool RealTimeEngine::serve_all() {
  Served served = serve_packet();
  const bool any = served != Served::kNothing;
  while (served == Served::kPacket) served = serve_packet();
  return any;
}

bool RealTimeEngine::has_ready() const {
  if (is_idle()) return false;
  const std::uint64_t now = clock_();
  return std::any_of(carriers_.begin(), carriers_.end(), [now](const Carrier* carrier) {
    return carrier->has_packet(now, true) || carrier->next_time(now) <= now;
  });
}

std::uint64_t RealTimeEngine::ns_to_next() const {
  if (is_idle()) return UINT64_MAX;
  const std::uint64_t now = clock_();
  std::uint64_t next = UINT64_MAX;
  for (const Carrier* const carrier : carriers_) next = std::min(next, carrier->next_time(now));
  if (next == UINT64_MAX) return next;
  return next > now ? next - now : 0;
}

}  // namespace vmmc::nicsim::real_time
