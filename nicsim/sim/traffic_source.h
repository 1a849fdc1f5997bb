// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// When a node makes its parcels or messages: an open loop, whatever becomes of them.
#pragma once

#include <cstdint>
#include <optional>

#include "nicsim/parts/event_queue.h"
#include "nicsim/sim/traffic_random.h"

namespace vmmc::nicsim::sim {

// Of all nodes.
struct TrafficTimes {
  double gap_ps;                       // between two, on average
  bool fixed_gaps = false;             // else exponentially distributed
  std::uint64_t most = 0;              // of each node; 0: any number
  parts::Time end = parts::kLastTime;  // none is made then or later
};

class TrafficSource {
 public:
  explicit TrafficSource(std::uint64_t seed) : random_(seed) {}

  // When the next one is made, which may be long ago by now; nothing if it was the last one.
  std::optional<parts::Time> next(const TrafficTimes& times) {
    if (times.most != 0 && made_ == times.most) return std::nullopt;
    made_at_ = parts::sum(made_at_, gap(times));
    ++made_;
    return made_at_ < times.end ? std::optional(made_at_) : std::nullopt;
  }

  // The number, from 0, and the time of the one that next() was about.
  std::uint64_t number() const { return made_ - 1; }
  parts::Time made_at() const { return made_at_; }
  TrafficRandom& random() { return random_; }

 private:
  parts::Time gap(const TrafficTimes& times) {
    double gap = times.gap_ps;
    if (!times.fixed_gaps) {
      gap *= random_.exponential();
    } else if (made_ == 0) {
      gap *=
          static_cast<double>(random_.below(1000)) / 1000;  // nodes do not begin at the same time
    }
    return parts::from_ps(gap);
  }

  TrafficRandom random_;
  std::uint64_t made_ = 0;
  parts::Time made_at_ = 0;
};

}  // namespace vmmc::nicsim::sim
