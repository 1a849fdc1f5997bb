// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One node: its processor and the parts of its network interface, and how they are joined.
//
//   processor --store--> snoop logic --> combining packetizer --> outgoing FIFO --+
//       |                                                                         |
//       +--two references--> deliberate update engine --> its source reader ------+
//                                                             |                   |
//                             answers: a source reader -------|-------------------+
//                                       |                     |                   |
//                                       |                     |     interface chip --> backplane
//                                       |                     |                   <--
//                                       |                     |                   |
//   memory <--------------------- input/output bus ---------------- incoming DMA engine
//
// Which operation ends when is decided here.
#pragma once

#include <cstdint>

#include "nicsim/parts/counters.h"

namespace vmmc::nicsim::parts {

class Node final : SnoopLogic::Port,
                   CombiningPacketizer::Port,
                   OutgoingFifo::Port,
                   SourceReader::Port,
                   NetworkInterfaceChip::Port,
                   IncomingDmaEngine::Port,
                   Processor::Port {
 public:
  Node(EventQueue& queue, const model::TimingModel& model, std::uint32_t number,
       const nicsim::Backplane& tables, BackplanePort& backplane, PacketPool& pool,
       HardwareClient& client, Probes probes = {});

  // One of this node's processes begins an operation. Calls nobody back.
  void begin(Operation& operation);

  // By the backplane.
  void injected() { chip_.injected(); }
  bool reserve(std::uint32_t bytes) { return incoming_.reserve(bytes); }
  void arrived(NetworkPacket& packet) { incoming_.arrived(packet); }

  void flush() { snoop_.see({Snooped::Kind::kFlush, nullptr}); }
  bool has_open_packet() const { return packetizer_.has_open_packet(); }

  Hardware::Counters counters() const;

 private:
  void refuse(std::uint64_t operation);

  void snooped(const Snooped& seen) override;
  void packetized(NetworkPacket& packet) override;

  void fifo_ready() override { chip_.look(); }
  void fifo_threshold() override;
  void fifo_resumed() override { processor_.fifo_resumed(); }
  void fifo_room() override { processor_.fifo_room(); }

  void read(SourceReader& reader, NetworkPacket& packet) override;
  void job_read(SourceReader& reader, const SourceReader::Job& job) override;
  void packet_ready() override { chip_.look(); }

  void lost(NetworkPacket& packet) override;

  void incoming_ready() override { chip_.look(); }
  void incoming_room() override { backplane_.room_freed(number_); }
  void landed(NetworkPacket& packet) override;
  void update_landed(NetworkPacket& packet);
  void request_landed(NetworkPacket& packet);
  void reply_landed(NetworkPacket& packet);

  void read_store(Operation& operation, std::uint64_t offset, std::span<std::byte> bytes) override {
    client_.read_source(operation, offset, bytes);
  }
  void handed_over(Operation& operation) override;

  struct End {
    bool ended = false;     // a message
    bool notified = false;  // ... with an interrupt of its own
  };
  void note_interrupt(Time cost, const Operation* operation = nullptr);
  void end_of_packet(NetworkPacket& packet);
  struct Part {
    Packet place;
    bool refused;
    bool struck;
  };
  End end_of_part(Operation& operation, const Part& part);
  bool notify(Operation& operation, const Packet& place);
  void notified(std::uint64_t token) { client_.notified(token); }

  EventQueue& queue_;
  const std::uint32_t number_;
  BackplanePort& backplane_;
  PacketPool& pool_;
  HardwareClient& client_;
  const Time interrupt_;
  const Time signal_;
  const Time fifo_interrupt_;
  const bool has_snoop_logic_;
  const bool interrupt_each_arrival_;
  const Probes probes_;

  DepartureOrder order_;
  InputOutputBus bus_;
  SnoopLogic snoop_;
  CombiningPacketizer packetizer_;
  OutgoingFifo fifo_;
  SourceReader engine_reader_;
  SourceReader replies_;
  DeliberateUpdateEngine engine_;
  IncomingDmaEngine incoming_;
  NetworkInterfaceChip chip_;
  Processor processor_;
  const nicsim::Backplane& tables_;
  ArrivalCounters arrivals_;
};

}  // namespace vmmc::nicsim::parts
