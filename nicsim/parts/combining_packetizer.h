// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The packetizer of automatic updates. It makes packets of stores, and combines consecutive stores
// in one packet if their binding asks for it. A node has one open packet. It is closed by
//   - a store that does not follow it, or of another binding or another mode,
//   - the end of its page,
//   - max_payload_bytes,
//   - its timer, timer_ns after its first store (Combining::kTimerWrite),
//   - a flush.
// Its destination is looked up in the outgoing page table of the process. A closed packet comes out
// after latency_ns and the look-up.
//
// Invariants: bytes come out in the order in which they came in; no packet crosses a page or is
// longer than max_payload_bytes.
#pragma once

#include <cstdint>

#include "nicsim/model/parameters.h"
#include "nicsim/parts/departure_order.h"
#include "nicsim/parts/event_queue.h"
#include "nicsim/parts/network_packet.h"
#include "nicsim/parts/snoop_logic.h"

namespace vmmc::nicsim::parts {

class CombiningPacketizer {
 public:
  class Port {
   public:
    virtual ~Port() = default;
    virtual void packetized(NetworkPacket& packet) = 0;
  };

  CombiningPacketizer(EventQueue& queue, const model::PacketizerParameters& parameters,
                      const model::OutgoingPageTableParameters& table, DepartureOrder& order,
                      PacketPool& pool, Port& port);

  void store(const Snooped& seen);
  void flush() { close(counters_.closed_by_flush); }
  bool has_open_packet() const { return packet_ != nullptr; }

  struct Counters {
    std::uint64_t stores = 0;
    std::uint64_t packets = 0;          // opened
    std::uint64_t closed_by_other = 0;  // a store that did not follow, or was not to be combined
    std::uint64_t closed_full = 0;      // page or max_payload_bytes
    std::uint64_t closed_by_timer = 0;
    std::uint64_t closed_by_flush = 0;
  };
  const Counters& counters() const { return counters_; }
  // In the outgoing page table.
  const LookupCounters& lookups() const { return lookups_; }

 private:
  bool follows(const Operation& operation, std::uint64_t position) const;
  void open(Operation& operation, std::uint64_t offset);
  std::uint32_t add(const Snooped& seen, std::uint32_t first);
  void close(std::uint64_t& reason);
  void arm();
  void timer(std::uint64_t);
  void pass_on(std::uint64_t packet);

  EventQueue& queue_;
  DepartureOrder& order_;
  PacketPool& pool_;
  Port& port_;
  std::uint32_t max_payload_;
  bool combining_;
  Time timer_;
  Time delay_;

  NetworkPacket* packet_ = nullptr;  // the open one
  std::uint64_t end_ = 0;            // of its bytes, in the destination space
  Time due_ = kNever;                // it leaves, if its binding has the timer
  bool armed_ = false;               // there is an event of timer()
  Counters counters_;
  LookupCounters lookups_;
};

}  // namespace vmmc::nicsim::parts
