// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The receive rings of this process, as consumer: opening, joining, closing.
//
// Threads and processes
//   Any thread opens, joins and closes; each ring is used by one thread at a time. before_fork()
//   and after_fork_in_parent() hold everybody up around a fork; the child has none of the rings.
//
// Invariants
//   A vmmc_ring is the program's until it is closed, also when its memory has gone with
//   vmmc_finalize or a fork: then each call on it says so, and touches nothing.
//
// What a crash at any instruction leaves behind: nothing; nicsim sees the hang-up.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>

#include "nicsim/wire/frame_ring.h"
#include "platform/file_descriptor.h"
#include "vmmc/internal/control_connection.h"
#include "vmmc/internal/rings/ring_mapping.h"
#include "vmmc/internal/rings/ring_reader.h"
#include "vmmc/internal/waiter.h"
#include "vmmc/ring.h"

namespace vmmc::internal {

class Rings {
 public:
  Rings(ControlConnection& connection, const Waiter& waiter, int doorbell)
      : connection_(connection), waiter_(waiter), doorbell_(doorbell) {}

  // Fills in nothing but the header. `descriptor`: the source's, or -1.
  int open(wire::OpenRingRequest& request, int descriptor, vmmc_ring** ring);
  // As vmmc_ring_join.
  int join(vmmc_identity opener, std::uint32_t id, vmmc_ring** ring);
  // Ends the ring, whose object remains. The failure of telling nicsim so.
  int close(vmmc_ring& ring);
  // Before the attachment ends.
  void close_all();

  bool simulated() const { return waiter_.time().on(); }

  void before_fork() { mutex_.lock(); }
  void after_fork_in_parent() { mutex_.unlock(); }
  void abandon_in_child();

 private:
  int adopt(ControlConnection::Reply& reply, vmmc_ring** ring);
  int map(ControlConnection::Reply& reply, vmmc_ring** ring);
  int tell_closed(std::uint32_t port);

  ControlConnection& connection_;
  const Waiter& waiter_;
  const int doorbell_;
  std::mutex mutex_;
  std::set<vmmc_ring*> open_;
};

}  // namespace vmmc::internal

// What the C interface hands out.
struct vmmc_ring final : vmmc::internal::RingPeer {
  struct Parts {
    vmmc::internal::Rings* owner;
    const vmmc::internal::Waiter* waiter;
    int doorbell;
    std::uint32_t port;
    std::uint32_t link_type;
    vmmc::platform::FileDescriptor pipe;
    vmmc::internal::RingMapping port_memory;
    vmmc::internal::RingMapping blocks;
    std::uint32_t block_count;
    std::uint32_t block_bytes;
  };

  explicit vmmc_ring(Parts of);

  bool gone() const override;
  void ring_doorbell() override;

  const vmmc::wire::RingPort& port() const {
    return *reinterpret_cast<const vmmc::wire::RingPort*>(parts.port_memory.data());
  }

  // Its memory has gone: from now on every call returns `status`.
  void end(int status);
  void abandon_in_child();

  Parts parts;
  vmmc::internal::RingReader reader;
};
