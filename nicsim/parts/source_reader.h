// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The reading half of a DMA engine: takes jobs one after the other, cuts them into packets, reads
// the bytes of each over the bus, and offers it to the network interface chip. The deliberate
// update engine has one for its transfers. The one who answers requests of other nodes has another:
// requests wait in the node's memory, in a list without a limit, because what comes in must never
// wait for what goes out. (So a fetch may have an entry there for each of its transfers, and these
// have 64 bytes or more.)
//
// It has two buffers: it reads a packet while the one before waits to be sent; then it waits. It
// holds the bus only while it reads.
//
// Times: start_ns of a job (not of an answer without bytes of memory); of each packet that is read,
// the bus for setup_ns and its bytes; then the packetizer's latency and, for what goes to a remote
// buffer, the look-up in the outgoing page table.
//
// Invariants: packets come out in the order of the jobs; no packet crosses a page.
#pragma once

#include <cstdint>
#include <deque>

#include "nicsim/model/parameters.h"
#include "nicsim/parts/event_queue.h"
#include "nicsim/parts/input_output_bus.h"
#include "nicsim/parts/network_packet.h"

namespace vmmc::nicsim::parts {

class SourceReader {
 public:
  struct Job {
    Purpose purpose = Purpose::kUpdate;  // of its packets
    Operation* operation = nullptr;
    std::uint64_t offset = 0;  // in the operation
    std::uint32_t length = 0;  // bytes
    Packet remote{};           // replies: what was asked for
  };

  class Port {
   public:
    virtual ~Port() = default;
    // Fill the packet's content; the bytes have just been read. It may become another kind of
    // packet.
    virtual void read(SourceReader& reader, NetworkPacket& packet) = 0;
    // The last byte of the first job has been read. It is no job any more.
    virtual void job_read(SourceReader& reader, const Job& job) = 0;
    // Another packet is ready.
    virtual void packet_ready() = 0;
  };

  SourceReader(EventQueue& queue, const model::TimingModel& model, InputOutputBus& bus,
               PacketPool& pool, Port& port, Probes probes = {});

  void add(const Job& job);
  std::size_t jobs() const { return jobs_.size(); }

  // The first packet that is ready; nullptr: none.
  NetworkPacket* first() const { return ready_.empty() ? nullptr : &ready_.front(); }
  NetworkPacket& take();

  struct Counters {
    std::uint64_t jobs = 0;
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;  // read
  };
  const Counters& counters() const { return counters_; }
  // In the outgoing page table.
  const LookupCounters& lookups() const { return lookups_; }

 private:
  static constexpr int kBuffers = 2;

  void begin_job();
  void start(std::uint64_t);
  void next_packet();
  NetworkPacket& cut(const Job& job);
  Time time_to_read(const NetworkPacket& packet) const;
  void has_read(std::uint64_t packet);
  void is_ready(std::uint64_t packet);

  EventQueue& queue_;
  InputOutputBus& bus_;
  PacketPool& pool_;
  Port& port_;
  const Probes probes_;
  std::uint32_t max_payload_;
  Time start_;
  Time setup_;
  double mb_per_s_;
  Time packetizer_;
  Time lookup_;

  std::deque<Job> jobs_;    // the first one is under way
  std::uint32_t done_ = 0;  // bytes of it
  bool started_ = false;    // start_ns is over
  bool reading_ = false;    // a packet
  int held_ = 0;            // buffers
  List<NetworkPacket> ready_;
  Counters counters_;
  LookupCounters lookups_;
};

}  // namespace vmmc::nicsim::parts
