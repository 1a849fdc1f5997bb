// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// NX messages above VMMC, as coroutines: csend and crecv between processes 0 .. n-1.
//
// Small messages (at most kSmall bytes) are stored by automatic update into packet buffers in the
// receiver's memory, of which each sender has kPackets; the receiver copies the message to its place
// and gives the packet buffer back. Large messages: the sender announces the message in a small one, the
// receiver answers with the address, the sender sends by deliberate update straight to it, and says so.
// (NX on SHRIMP also copied a large message aside while it waited for the answer; here the sender
// only waits.)
//
// Messages of one sender to one receiver are received in the order in which they were sent.
// Lengths are whole words. Messages lie in the endpoint's memory(), which all peers import.
//
// Threads: one (nicsim/sim).
#pragma once

#include <cstdint>
#include <vector>

#include "nicsim/sim/process.h"

namespace vmmc::figures {

struct NxCosts {
  double send_ns;
  double receive_ns;
};

class NxEndpoint {
 public:
  // `memory_bytes` for the messages themselves.
  NxEndpoint(nicsim::sim::Process& self, std::uint32_t processes, std::size_t memory_bytes,
             NxCosts costs);

  // First of all, in all processes. `peers`: those with whom messages are exchanged.
  nicsim::sim::Task<> connect(std::vector<std::uint32_t> peers);

  const nicsim::sim::Buffer& memory() const { return memory_; }
  // `offset` in memory().
  nicsim::sim::Task<> csend(std::uint32_t to, std::size_t offset, std::uint32_t length);
  nicsim::sim::Task<> crecv(std::uint32_t from, std::size_t offset, std::uint32_t length);

  static constexpr std::uint32_t kSmall = 2048;

 private:
  static constexpr std::uint32_t kPackets = 8;
  static constexpr std::uint32_t kPacketBytes = 4096;
  // A packet buffer ends with the words: length, kind, number of the message. What precedes them is the
  // message, so that all is stored consecutively.
  static constexpr std::uint32_t kTrailer = 12;
  enum Kind : std::uint32_t { kData, kAnnounce, kAnswer, kComplete };

  struct Peer {
    nicsim::sim::Binding packets;  // the packet buffers in its memory
    nicsim::sim::Binding credit;   // in its memory: how many of its packets we have consumed
    nicsim::sim::Proxy memory;
    std::uint32_t sent = 0;
    std::uint32_t received = 0;
  };

  nicsim::sim::Task<> store_packet(std::uint32_t to, Kind kind, const void* content,
                                   std::uint32_t length);
  nicsim::sim::Task<> await_packet(std::uint32_t from);
  nicsim::sim::Task<> consumed(std::uint32_t from);
  const std::byte* trailer(std::uint32_t from) const;
  const std::uint32_t& credit_word(std::uint32_t to) const;

  nicsim::sim::Process& self_;
  std::uint32_t processes_;
  NxCosts costs_;
  nicsim::sim::Buffer memory_;
  nicsim::sim::Buffer packets_;   // of all senders
  nicsim::sim::Buffer credits_;   // a page for each receiver
  nicsim::sim::Buffer outgoing_;  // bound
  std::vector<Peer> peers_;
};

}  // namespace vmmc::figures
