// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the contestants have in common: a process's end of a connection that carries datagrams in
// both directions.
//
// Threads: one. Errors: end the process with a sentence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace vmmc::bench {

// Of more than that rtz sends several packets.
inline constexpr std::uint32_t kPacket = 4096;
constexpr std::uint32_t packets_of(std::uint32_t bytes) { return (bytes + kPacket - 1) / kPacket; }

struct PortPlan {
  std::uint32_t longest;          // bytes of a datagram
  std::uint64_t budget_per_s[2];  // datagrams that each side may send
  std::uint64_t deadline;         // ns
  int side;                       // 0 or 1
  std::uint32_t vmmc_process[2];  // of both sides; nodes 0 and 1
};

class Port {
 public:
  virtual ~Port() = default;

  // Page-aligned memory for the next datagram; waits while the connection has none to give. What is
  // asked for twice in a row is the same memory.
  virtual std::span<std::byte> prepare(std::size_t length) = 0;
  // Sends what was prepared; waits while the connection takes no more.
  virtual void send(std::size_t length) = 0;

  // The next datagram, empty if none came within `timeout` ns; 0: looks once. Valid until release().
  virtual std::span<const std::byte> receive(std::uint64_t timeout) = 0;
  virtual void release() = 0;

  // Who really moves the bytes, as counters say.
  virtual std::string path() const = 0;
  // Deadline misses by the connection's own count; 0 if it does not count.
  virtual std::uint64_t own_misses() const = 0;
};

enum class Contestant { kRtzHost, kRtzNic, kUdp, kUnixDatagram, kBare };
inline constexpr int kContestants = 5;
const char* contestant_name(Contestant contestant);

// Two ports that are connected with each other are made in two processes, from the same link.
class PortLink {
 public:
  virtual ~PortLink() = default;
  virtual std::unique_ptr<Port> open(const PortPlan& plan) = 0;
};

// Before the processes are forked. What it needs of sockets is made now.
std::unique_ptr<PortLink> make_udp_link();
std::unique_ptr<PortLink> make_unix_datagram_link();
std::unique_ptr<PortLink> make_bare_link();
// `executor`: enum vmmc_executor.
std::unique_ptr<PortLink> make_rtz_link(int executor);

std::unique_ptr<PortLink> make_link(Contestant contestant);

}  // namespace vmmc::bench
