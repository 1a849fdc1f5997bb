// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The bus between a node's memory and its network interface: the deliberate update engine reads
// over it, the incoming DMA engine writes. If it is shared they take turns; else each has a way of
// its own.
//
// Invariants: one at a time on the bus (or on each way), in the order of the requests. Who holds it
// needs nothing else before he gives it back.
#pragma once

#include <cstdint>
#include <deque>

#include "nicsim/model/parameters.h"
#include "nicsim/parts/event_queue.h"

namespace vmmc::nicsim::parts {

class InputOutputBus {
 public:
  enum class Way : std::uint8_t { kReading, kWriting };

  InputOutputBus(EventQueue& queue, const model::InputOutputBusParameters& parameters)
      : queue_(queue), shared_(parameters.shared != 0) {}

  // queue.at<&Part::method>(end, part, argument) when it has held the bus for that long.
  template <auto kMethod, typename Part>
  void hold(Way way, Time duration, Part& part, std::uint64_t argument = 0) {
    request(way, {queue_.now(), duration,
                  [](void* object, std::uint64_t value) {
                    (static_cast<Part*>(object)->*kMethod)(value);
                  },
                  &part, argument});
  }

  struct Counters {
    std::uint64_t held_ps[2] = {0, 0};    // for reading, for writing
    std::uint64_t waited_ps[2] = {0, 0};  // for the bus
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Request {
    Time asked;
    Time duration;
    EventQueue::Action action;
    void* object;
    std::uint64_t argument;
  };
  struct Lane {
    std::deque<std::pair<Way, Request>> waiting;  // the first one holds it
  };

  void request(Way way, const Request& request);
  void grant(std::size_t lane);
  void over(std::uint64_t lane);

  EventQueue& queue_;
  bool shared_;
  Lane lanes_[2];
  Counters counters_;
};

}  // namespace vmmc::nicsim::parts
