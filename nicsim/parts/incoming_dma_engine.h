// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The incoming DMA engine in simulated time: what has come from the backplane waits in a FIFO, is
// checked against the incoming page table, and is written to memory over the bus.
//
// The check is that of real time (nicsim::Backplane::deliver). A packet that it refuses is dropped:
// it takes its turn, but not the bus. A packet is handed over when it is in memory and, as a
// polling program has to see it, poll_ns after that; a request of another node at once, though not
// before what came ahead of it.
// A packet that the fault plan has struck takes its turn like a refused one.
//
// Invariants: never more than fifo_bytes in the FIFO, those of packets whose heads are on the way
// in included. Packets are handed over in the order in which they came. Nothing here waits for
// anything that goes out.
#pragma once

#include <cstdint>

#include "nicsim/backplane.h"
#include "nicsim/model/parameters.h"
#include "nicsim/parts/arbiter.h"
#include "nicsim/parts/event_queue.h"
#include "nicsim/parts/input_output_bus.h"
#include "nicsim/parts/network_packet.h"

namespace vmmc::nicsim::parts {

class IncomingDmaEngine final : public Arbiter::Requester {
 public:
  class Port {
   public:
    virtual ~Port() = default;
    // A packet has come: the chip is wanted.
    virtual void incoming_ready() = 0;
    // Its bytes have left the FIFO.
    virtual void incoming_room() = 0;
    // In memory and seen; or `refused`. Belongs to the callee now.
    virtual void landed(NetworkPacket& packet) = 0;
  };

  IncomingDmaEngine(EventQueue& queue, const model::TimingModel& model,
                    const nicsim::Backplane& tables, InputOutputBus& bus, Port& port,
                    Probes probes = {});

  // Keeps bytes of the FIFO free for a packet. False: there are not so many.
  bool reserve(std::uint32_t bytes);
  // All of a packet is here, in bytes that were reserved.
  void arrived(NetworkPacket& packet);

  bool wants_chip() const override { return !arrived_.empty(); }
  void chip_granted() override;

  struct Counters {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;       // payload
    std::uint64_t refused = 0;     // packets
    std::uint64_t most_bytes = 0;  // of the FIFO taken at any time
    std::uint64_t no_room = 0;     // packets that had to wait outside
  };
  const Counters& counters() const { return counters_; }
  // In the incoming page table: one for each packet that names exported memory.
  const LookupCounters& lookups() const { return lookups_; }

 private:
  void trace_lookup(const NetworkPacket& packet) const;
  void trace_struck(const NetworkPacket& packet) const;
  Time time_to_write(const NetworkPacket& packet) const;
  void looked_up(std::uint64_t packet);
  void begin_write();
  void written(std::uint64_t packet);
  void hand_over(std::uint64_t packet);

  EventQueue& queue_;
  const nicsim::Backplane& tables_;
  InputOutputBus& bus_;
  Port& port_;
  const Probes probes_;
  std::uint32_t capacity_;
  std::uint32_t header_;
  Time lookup_;
  Time setup_;
  double mb_per_s_;
  Time poll_;

  List<NetworkPacket> arrived_;    // want the chip
  List<NetworkPacket> looked_up_;  // want the bus; the first one has it, if writing_
  bool writing_ = false;
  std::uint32_t taken_ = 0;  // bytes of the FIFO
  Time last_handed_over_ = 0;
  Counters counters_;
  LookupCounters lookups_;
};

}  // namespace vmmc::nicsim::parts
