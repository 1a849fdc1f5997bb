// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Fetches and atomic operations, the side of the process that asks for them.
//
// Where the host executor may serve the import it does; but for started fetches that are long, and for
// destinations that the caller cannot store to, where nicsim says what is wrong with them, or that it
// should not: what arrives at bound pages is no store of the program.
//
// Where fetched bytes land
//   in segments           in place, nicsim writes them there
//   anywhere else         in the staging area, in pieces, and are copied from there by the caller; but
//                         a started fetch, which must not wait, lets nicsim write them across if it may
//
// Threads and processes
//   Any thread and signal handlers; no memory is allocated.
//
// What a crash at any instruction leaves behind: see send_queue.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "nicsim/wire/channel.h"
#include "vmmc/internal/admission.h"
#include "vmmc/internal/completion.h"
#include "vmmc/internal/host_executor.h"
#include "vmmc/internal/memory/registration_cache.h"
#include "vmmc/internal/memory/shared_segments.h"
#include "vmmc/internal/send_queue.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class RemoteAccess {
 public:
  // `can_write_memory`: nicsim may write this process's memory across.
  RemoteAccess(wire::Channel& channel, const Admission& admission, const SharedSegments& segments,
               RegistrationCache& registrations, SendQueue& queue, Completion& completion,
               HostExecutor& host, bool can_write_memory)
      : channel_(channel),
        admission_(admission),
        segments_(segments),
        registrations_(registrations),
        queue_(queue),
        completion_(completion),
        host_(host),
        can_write_memory_(can_write_memory) {}

  // As vmmc_fetch and vmmc_fetch_start.
  int fetch(void* destination, const void* proxy, std::size_t length);
  int start_fetch(void* destination, const void* proxy, std::size_t length,
                  vmmc_send_handle* handle);

  // As vmmc_fetch_add_32 and its kin; `width` is the word's size in bytes.
  int change_word(void* proxy, const wire::AtomicOperands& operands, std::uint64_t* previous);

 private:
  struct Fetch {
    RemoteBytes remote;
    std::byte* destination;
    std::size_t length;

    // On to the bytes that are still to be fetched.
    void advance(std::size_t posted) {
      remote.destination += posted;
      destination += posted;
      length -= posted;
    }
  };

  bool fetched_here(const Fetch& fetch);
  bool starts_here(const Fetch& fetch) const;
  int post_in_place(Fetch& fetch, std::uint64_t& ticket);
  std::size_t outside_segments(const Fetch& fetch) const;
  int post_to_memory(Fetch& fetch, std::uint64_t& ticket);
  int fetch_piece(Fetch& fetch, std::uint64_t& ticket);
  std::uint64_t publish(const SendQueue::Slot& slot, const RemoteBytes& remote,
                        wire::LocalPlace place, const wire::LocalBytes& local);

  wire::Channel& channel_;
  const Admission& admission_;
  const SharedSegments& segments_;
  RegistrationCache& registrations_;
  SendQueue& queue_;
  Completion& completion_;
  HostExecutor& host_;
  const bool can_write_memory_;
};

}  // namespace vmmc::internal
