// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The outgoing FIFO: packets of automatic update wait here until they may leave. A store reserves
// its bytes before it is made, so that the FIFO never holds more than its capacity; a writer that
// finds no room waits on the bus. Long before that, at its threshold, it interrupts the processor,
// whose stores then wait until little is left.
//
// Invariants: filled() + what is reserved <= capacity_bytes, always. Bytes are payload: what a
// packet's header needs is not kept here. Packets leave in the order in which they came.
#pragma once

#include <cstdint>

#include "nicsim/model/parameters.h"
#include "nicsim/parts/event_queue.h"
#include "nicsim/parts/network_packet.h"

namespace vmmc::nicsim::parts {

class OutgoingFifo {
 public:
  class Port {
   public:
    virtual ~Port() = default;
    virtual void fifo_ready() = 0;      // another packet may leave
    virtual void fifo_threshold() = 0;  // stores wait from now on
    virtual void fifo_resumed() = 0;    // so little is left that they need not
    virtual void fifo_room() = 0;       // bytes have left
  };

  OutgoingFifo(EventQueue& queue, const model::OutgoingFifoParameters& parameters, Port& port);

  // Keeps room for bytes that are on their way here. False: there is none.
  bool reserve(std::uint32_t bytes);
  void enter(NetworkPacket& packet);  // whose bytes were reserved

  // The first packet, once it has been here for latency_ns; else nullptr.
  NetworkPacket* first() const { return ready_ == 0 ? nullptr : &packets_.front(); }
  // It is being sent; its bytes stay until left().
  NetworkPacket& take();
  void left(std::uint32_t bytes);

  std::uint64_t filled() const { return filled_; }  // bytes
  bool stopped() const { return stopped_; }         // between threshold and resume

  struct Counters {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    std::uint64_t most_bytes = 0;  // filled or reserved at any time
    std::uint64_t interrupts = 0;  // of the threshold
    std::uint64_t full = 0;        // stores that found no room
  };
  const Counters& counters() const { return counters_; }

 private:
  void ready(std::uint64_t);

  EventQueue& queue_;
  Port& port_;
  std::uint64_t capacity_;
  std::uint64_t threshold_;
  std::uint64_t resume_;
  Time latency_;

  List<NetworkPacket> packets_;
  std::uint64_t ready_ = 0;  // packets, of the first ones
  std::uint64_t filled_ = 0;
  std::uint64_t reserved_ = 0;
  bool stopped_ = false;
  Counters counters_;
};

}  // namespace vmmc::nicsim::parts
