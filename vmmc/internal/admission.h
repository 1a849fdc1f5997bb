// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The checks that every transfer passes before it is posted: the remote bytes lie in one proxy that
// grants the access, as far as this process knows. nicsim checks again.
//
// Threads and processes: any thread and signal handlers; no lock, no memory allocated.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nicsim/wire/channel.h"
#include "vmmc/internal/destination_space.h"
#include "vmmc/internal/waiter.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

// The remote bytes of a transfer that has been admitted.
struct RemoteBytes {
  std::uint32_t import_slot;
  std::uint32_t import_generation;
  std::uint64_t destination;  // of the first, bytes from the start of the destination space

  void write_to(wire::SendDescriptor& descriptor) const {
    descriptor.import_slot = import_slot;
    descriptor.import_generation = import_generation;
    descriptor.destination = destination;
  }
};

class Admission {
 public:
  Admission(const wire::Channel& channel, const Waiter& waiter, const DestinationSpace& space)
      : channel_(channel), waiter_(waiter), space_(space) {}

  // Without a word about what is wrong: refuse() finds the words. `access` is what the import must
  // grant, VMMC_READ | VMMC_WRITE.
  bool admit(const void* local, const void* proxy, std::size_t length, std::uint32_t access,
             RemoteBytes& remote) const;

  // Why admit() said no; "a fetch of zero bytes" with `what` being "fetch".
  int refuse(const char* what, const void* local, const void* proxy, std::size_t length,
             std::uint32_t access) const;

 private:
  int refuse_import(const Import& import, std::uint32_t access) const;

  const wire::Channel& channel_;
  const Waiter& waiter_;
  const DestinationSpace& space_;
};

// Inline: a large part of what a small send costs.
[[gnu::always_inline]] inline bool Admission::admit(const void* local, const void* proxy,
                                                    std::size_t length, std::uint32_t access,
                                                    RemoteBytes& remote) const {
  Target target;
  if (!space_.find(proxy, target)) return false;
  const std::uint64_t destination = space_.offset_of(proxy);
  const std::uint64_t offset = destination - target.first;  // wraps around in front of the first
  const std::uint32_t state = channel_.import_states[target.slot].load(std::memory_order_acquire);
  const wire::ImportPhase phase = wire::import_phase(state);
  const bool inside = offset < target.length && length <= target.length - offset;
  if (!inside || length == 0 || (access & ~target.access) != 0 ||
      phase == wire::ImportPhase::kUnexported || phase == wire::ImportPhase::kPeerDead ||
      reinterpret_cast<std::uintptr_t>(local) > UINTPTR_MAX - length || waiter_.nicsim_gone()) {
    return false;
  }
  remote = {target.slot, target.generation, destination};
  return true;
}

}  // namespace vmmc::internal
