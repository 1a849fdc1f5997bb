// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the instruments see of the datagrams of one channel that nicsim carries out: each is an
// operation of kind wire::kTraceRealTimeDatagram in the trace, and each of its packets is shown to
// the tap.
//
//   page      taken, packet_made, packet_sent, packet_crossed, completed
//   fragment  taken, for each packet_made, packet_sent, memory_written, then completed
//   refused   taken, refused
//   lost      ... completed with kDatagramLost, as soon as it is given up
//
// packet_crossed takes the place of memory_written for a page, as nothing is written: what a packet
// brings is that the page may be read, and completed that it is the receiver's. A packet that the
// fault plan strikes has the records that those of transfers have (FaultPlan). A datagram that has
// arrived completes when those before it have.
//
// The trace has all records of a datagram, or, of one that was taken before it began, none. The tap
// gets each packet from when it is there.
//
// Costs a branch for each of these calls while there is neither trace nor tap. Allocates nothing.
//
// Threads: nicsim's one. The sender may change the bytes of a packet at any time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "nicsim/instruments.h"
#include "nicsim/wire/control.h"
#include "nicsim/wire/status.h"
#include "nicsim/wire/trace_record.h"

namespace vmmc::nicsim::real_time {

struct ChannelEnds {
  std::uint32_t from_node = 0;
  std::uint32_t from_process = wire::kAnyProcess;
  std::uint32_t to_node = 0;
  std::uint32_t to_process = wire::kAnyProcess;
  std::uint32_t channel = 0;  // its id
};

// What all records of one datagram say alike.
struct TracedDatagram {
  std::uint64_t operation = 0;
  std::uint64_t taken = 0;       // ps, the time of that trace
  std::uint32_t generation = 0;  // of the trace that saw it taken; 0: none
  std::uint32_t length = 0;      // bytes
  std::uint32_t page = 0;        // if it lends one
  bool lends_page = false;
};

struct DatagramPacket {
  std::uint32_t number = 0;  // of the datagram, from 0
  bool is_last = false;
  std::uint32_t offset = 0;  // in the datagram, bytes
  std::span<const std::byte> bytes;
};

class DatagramTrace {
 public:
  DatagramTrace() = default;  // sees nothing
  // `instruments` outlive it; nullptr: sees nothing.
  DatagramTrace(Instruments* instruments, const ChannelEnds& ends)
      : instruments_(instruments), ends_(ends) {}

  // A datagram is taken from the outgoing queue; `number` is the sender's.
  TracedDatagram take(std::uint64_t number, std::uint32_t length) {
    TracedDatagram datagram;
    if (instruments_ == nullptr) return datagram;
    datagram.operation = instruments_->next_operation();
    datagram.length = length;
    if (instruments_->trace.on()) [[unlikely]]
      write_taken(datagram, number);
    return datagram;
  }
  void refuse(const TracedDatagram& datagram, wire::Status status) {
    if (was_traced(datagram)) [[unlikely]]
      write_end(datagram, wire::TraceEvent::kRefused, status);
  }
  // kOk: the receiver can see it.
  void complete(const TracedDatagram& datagram, wire::Status status) {
    if (was_traced(datagram)) [[unlikely]]
      write_end(datagram, wire::TraceEvent::kCompleted, status);
  }

  void make(const TracedDatagram& datagram, const DatagramPacket& packet) {
    if (was_traced(datagram)) [[unlikely]]
      write_made(datagram, packet);
  }
  // The fault plan has struck the packet: it is late by `delay` ns, or ends here.
  void delay(const TracedDatagram& datagram, const DatagramPacket& packet, std::uint64_t delay) {
    if (was_traced(datagram)) [[unlikely]]
      write_delayed(datagram, packet, delay);
  }
  void drop(const TracedDatagram& datagram, const DatagramPacket& packet) {
    if (was_traced(datagram)) [[unlikely]]
      write_struck(datagram, packet, wire::TraceEvent::kPacketDropped);
  }
  void corrupt(const TracedDatagram& datagram, const DatagramPacket& packet) {
    if (was_traced(datagram)) [[unlikely]]
      write_struck(datagram, packet, wire::TraceEvent::kPacketCorrupted);
  }
  // The packet leaves.
  void send(const TracedDatagram& datagram, const DatagramPacket& packet) {
    if (was_traced(datagram)) [[unlikely]]
      write_sent(datagram, packet);
  }
  // When its bytes begin to be written, to be handed to arrive().
  std::uint64_t begin_write(const TracedDatagram& datagram) const {
    return is_seen(datagram) ? instruments_->trace.now() : 0;
  }
  // It has arrived; its bytes are where they are to stay.
  void arrive(const TracedDatagram& datagram, const DatagramPacket& packet, std::uint64_t since) {
    if (is_seen(datagram)) [[unlikely]]
      write_arrived(datagram, packet, since);
  }

 private:
  // A trace saw it taken, which may be over.
  static bool was_traced(const TracedDatagram& datagram) { return datagram.generation != 0; }
  // The trace that is on saw it taken.
  bool is_in_trace(const TracedDatagram& datagram) const {
    return instruments_->trace.on() && datagram.generation == instruments_->trace.generation();
  }
  bool is_seen(const TracedDatagram& datagram) const {
    return (was_traced(datagram) && is_in_trace(datagram)) ||
           (instruments_ != nullptr && instruments_->tap() != nullptr);
  }
  TraceEntry entry_of(const TracedDatagram& datagram, wire::TraceEvent event,
                      wire::TraceEngine engine) const;
  TraceEntry packet_entry(const TracedDatagram& datagram, const DatagramPacket& packet,
                          wire::TraceEvent event, wire::TraceEngine engine) const;
  static void turn_round(TraceEntry& entry);

  void write_taken(TracedDatagram& datagram, std::uint64_t number);
  void write_end(const TracedDatagram& datagram, wire::TraceEvent event, wire::Status status);
  void write_made(const TracedDatagram& datagram, const DatagramPacket& packet);
  void write_delayed(const TracedDatagram& datagram, const DatagramPacket& packet,
                     std::uint64_t delay);
  void write_struck(const TracedDatagram& datagram, const DatagramPacket& packet,
                    wire::TraceEvent event);
  void write_sent(const TracedDatagram& datagram, const DatagramPacket& packet);
  void write_arrived(const TracedDatagram& datagram, const DatagramPacket& packet,
                     std::uint64_t since);

  Instruments* instruments_ = nullptr;
  ChannelEnds ends_;
};

}  // namespace vmmc::nicsim::real_time
