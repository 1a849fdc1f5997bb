// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A stream socket above VMMC, as coroutines: one end of a connection between two processes.
//
// Each end has a ring in its memory, into which the other end writes: few bytes by automatic update, more
// by deliberate update; then the count of bytes written, by automatic update. read() copies the bytes from
// the ring, and tells the other end how far it has come. Where stores are not seen by the interface the
// same goes by deliberate updates.
//
// With redirection (VMMC-2) bytes that arrive after read() was called need no copy: they go to their place
// straight away. Only those that were in the ring before are copied.
//
// Counts are whole words. Threads: one (nicsim/sim).
#pragma once

#include <cstdint>

#include "nicsim/sim/process.h"

namespace vmmc::figures {

struct SocketCosts {
  double write_ns;
  double read_ns;
  bool redirection;
};

class Socket {
 public:
  Socket(nicsim::sim::Process& self, SocketCosts costs);

  nicsim::sim::Task<> connect(std::uint32_t peer);
  nicsim::sim::Task<> write(const std::byte* bytes, std::uint32_t length);
  // Exactly `length` bytes.
  nicsim::sim::Task<> read(std::byte* bytes, std::uint32_t length);

 private:
  static constexpr std::uint32_t kRing = 131072;
  static constexpr std::uint32_t kByStores = 256;  // at most so many bytes by automatic update

  nicsim::sim::Task<> put(const std::byte* bytes, std::uint32_t length);

  nicsim::sim::Process& self_;
  SocketCosts costs_;
  nicsim::sim::Buffer ring_;    // the other end writes
  nicsim::sim::Buffer counts_;  // the other end's: written [0], read [1]
  nicsim::sim::Buffer outgoing_;
  nicsim::sim::Buffer outgoing_counts_;
  nicsim::sim::Proxy remote_;
  nicsim::sim::Binding remote_ring_;
  nicsim::sim::Binding remote_counts_;
  std::uint32_t written_ = 0;  // bytes, modulo 2^32
  std::uint32_t read_ = 0;
  std::uint32_t told_ = 0;  // the other end knows that we have read so far
};

}  // namespace vmmc::figures
