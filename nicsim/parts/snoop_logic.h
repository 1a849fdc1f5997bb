// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The snoop logic: sees the processor's stores on the memory bus and passes those of bound pages
// on. It passes on, in their place among the stores, two more things: that the open packet shall
// leave, and that an operation which does not come this way has been begun here.
//
// Invariants: everything comes out in the order in which it went in, latency_ns later.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

#include "nicsim/model/parameters.h"
#include "nicsim/parts/event_queue.h"
#include "nicsim/parts/hardware.h"

namespace vmmc::nicsim::parts {

inline constexpr std::uint32_t kMaxStoreBytes = 8;

struct Snooped {
  enum class Kind : std::uint8_t { kStore, kFlush, kOrder };
  Kind kind;
  Operation* operation;  // kFlush: nullptr if no operation has asked for it
  std::uint64_t offset = 0;
  std::uint32_t length = 0;
  std::array<std::byte, kMaxStoreBytes> bytes{};
};

class SnoopLogic {
 public:
  class Port {
   public:
    virtual ~Port() = default;
    virtual void snooped(const Snooped& seen) = 0;
  };

  SnoopLogic(EventQueue& queue, const model::SnoopLogicParameters& parameters, Port& port)
      : queue_(queue), latency_(from_ns(parameters.latency_ns)), port_(port) {}

  // Now on the memory bus.
  void see(const Snooped& seen) {
    if (seen.kind == Snooped::Kind::kStore) {
      ++counters_.stores;
      counters_.bytes += seen.length;
    }
    passing_.push_back(seen);
    queue_.after<&SnoopLogic::pass_on>(latency_, *this);
  }
  bool empty() const { return passing_.empty(); }

  struct Counters {
    std::uint64_t stores = 0;
    std::uint64_t bytes = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  void pass_on(std::uint64_t) {
    const Snooped seen = passing_.front();
    passing_.pop_front();
    port_.snooped(seen);
  }

  EventQueue& queue_;
  Time latency_;
  Port& port_;
  std::deque<Snooped> passing_;
  Counters counters_;
};

}  // namespace vmmc::nicsim::parts
