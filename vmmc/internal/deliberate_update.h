// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Deliberate update, the sender's side: check, choose how the source bytes travel, post, wait.
//
// How the source bytes travel
//   up to 40 bytes        in the descriptor (inline)
//   in a segment          in place, as nicsim has it mapped; but up to kStagedBytes a send that must
//                         not return before the source may be reused copies them to the staging area
//   anywhere else         staged, in pieces if need be; but beyond kStagedBytes a started send, which
//                         must not take long, lets nicsim read them across if it may
//
// Threads and processes
//   Any thread and signal handlers; no memory is allocated. The source is read before the send
//   queue's lock is taken, so that a page fault holds nobody up.
//
// What a crash at any instruction leaves behind: see send_queue.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nicsim/wire/channel.h"
#include "vmmc/internal/destination_space.h"
#include "vmmc/internal/memory/shared_segments.h"
#include "vmmc/internal/send_queue.h"
#include "vmmc/internal/waiter.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class DeliberateUpdate {
 public:
  // `can_read_memory`: nicsim may read this process's memory across.
  DeliberateUpdate(wire::Channel& channel, const Waiter& waiter, const DestinationSpace& space,
                   const SharedSegments& segments, SendQueue& queue, bool can_read_memory)
      : channel_(channel),
        waiter_(waiter),
        space_(space),
        segments_(segments),
        queue_(queue),
        can_read_memory_(can_read_memory) {}

  // As vmmc_send, vmmc_send_start, vmmc_send_test, vmmc_send_wait and vmmc_fence.
  int send(const void* source, const void* proxy, std::size_t length);
  int start(const void* source, const void* proxy, std::size_t length, vmmc_send_handle* handle);
  int test(vmmc_send_handle handle);
  int wait(vmmc_send_handle handle);
  int fence();

  // Measured in docs/decisions/0005-how-source-bytes-travel.md.
  static constexpr std::size_t kStagedBytes = StagingArea::kLargestClaim;

 private:
  // A transfer that has been checked.
  struct Transfer {
    const std::byte* source;
    std::size_t length;
    std::uint32_t import_slot;
    std::uint32_t import_generation;
    std::uint64_t destination;  // bytes from the start of the destination space
  };

  bool admit(const void* source, const void* proxy, std::size_t length, Transfer& transfer) const;
  int refuse(const void* source, const void* proxy, std::size_t length) const;
  int refuse_import(const Import& import) const;
  // Who tells the program of a failure: the call or handle itself, or the next fence.
  enum class Report { kByFence, kByItself };

  int send_large(const Transfer& transfer);
  template <typename Bytes>
  int post_bytes(const Transfer& transfer, const Bytes& bytes, Report report,
                 std::uint64_t& ticket);
  int post_inline(const Transfer& transfer, Report report, std::uint64_t& ticket);
  int post_staged(const Transfer& transfer, Report report, std::uint64_t& ticket);
  int post_from_segment(const Transfer& transfer, std::uint64_t& ticket);
  int post_from_memory(const Transfer& transfer, std::uint64_t& ticket);
  int post_in_pieces(Transfer transfer, Report report, std::uint64_t& ticket);
  int outcome_of(std::uint64_t ticket);
  bool is_handle(vmmc_send_handle handle) const { return handle - 1 < queue_.posted(); }
  int refused(int status) const;

  wire::Channel& channel_;
  const Waiter& waiter_;
  const DestinationSpace& space_;
  const SharedSegments& segments_;
  SendQueue& queue_;
  const bool can_read_memory_;
};

}  // namespace vmmc::internal
