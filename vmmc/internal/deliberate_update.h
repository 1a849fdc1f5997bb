// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Deliberate update, the sender's side: check, choose how the source bytes travel, post, wait.
//
// Where the host executor may serve the import it does, and nothing is posted; but for messages that
// notify, and for started sends beyond kStagedBytes.
//
// How the source bytes travel to nicsim
//   up to 40 bytes        in the descriptor (inline); 36 if the receiver is to be notified
//   in segments           in place, as nicsim has them mapped, a descriptor for each; but up to
//                         kStagedBytes a send that must not return before the source may be reused
//                         copies them to the staging area
//   anywhere else         staged, in pieces if need be; but beyond kStagedBytes a started send, which
//                         must not take long, lets nicsim read them across if it may
//   in several pieces     staged
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
#include "vmmc/internal/admission.h"
#include "vmmc/internal/completion.h"
#include "vmmc/internal/host_executor.h"
#include "vmmc/internal/memory/registration_cache.h"
#include "vmmc/internal/memory/shared_segments.h"
#include "vmmc/internal/send_queue.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class DeliberateUpdate {
 public:
  // `can_read_memory`: nicsim may read this process's memory across.
  DeliberateUpdate(wire::Channel& channel, const Admission& admission,
                   const SharedSegments& segments, RegistrationCache& registrations,
                   SendQueue& queue, Completion& completion, HostExecutor& host,
                   bool can_read_memory)
      : channel_(channel),
        admission_(admission),
        segments_(segments),
        registrations_(registrations),
        queue_(queue),
        completion_(completion),
        host_(host),
        can_read_memory_(can_read_memory) {}

  // As vmmc_send, vmmc_send_notify, vmmc_send_start, vmmc_send_gather and vmmc_send_strided.
  int send(const void* source, const void* proxy, std::size_t length);
  int send_notify(const void* source, const void* proxy, std::size_t length,
                  std::uint32_t immediate);
  int start(const void* source, const void* proxy, std::size_t length, vmmc_send_handle* handle);
  int send_gather(const vmmc_piece* pieces, std::size_t count, const void* proxy);
  int send_strided(const void* source, std::size_t source_stride, const void* proxy,
                   std::size_t proxy_stride, std::size_t block, std::size_t count);

  // Measured in docs/decisions/0005-how-source-bytes-travel.md.
  static constexpr std::size_t kStagedBytes = StagingArea::kLargestClaim;

 private:
  // A transfer that has been checked, or a piece of one.
  struct Transfer {
    RemoteBytes remote;
    const std::byte* source;  // nullptr: scattered
    std::size_t length;

    // On to the bytes that are still to be posted.
    void advance(std::size_t posted) {
      remote.destination += posted;
      if (source != nullptr) source += posted;
      length -= posted;
    }
  };
  // Whether and how the receiver is notified. A piece says how long its message is.
  struct Notice {
    bool notify = false;
    std::uint32_t immediate = 0;
    std::size_t message_length = 0;
  };
  // Who tells the program of a failure: the call or handle itself, or the next fence.
  enum class Report { kByFence, kByItself };

  bool sent_here(const Transfer& transfer);
  int send_block(const Transfer& block);
  template <typename Fill>
  int send_filled(const Transfer& transfer, Fill fill);
  int send_beyond_inline(const Transfer& transfer, const Notice& notice);
  int send_large(Transfer transfer, const Notice& notice);
  int start_large(Transfer transfer, std::uint64_t& ticket);
  template <typename Bytes>
  int post_bytes(const Transfer& transfer, const Bytes& bytes, Report report,
                 std::uint64_t& ticket);
  int post_inline(const Transfer& transfer, Report report, std::uint64_t& ticket);
  int post_inline_notice(const Transfer& transfer, std::uint32_t immediate);
  template <typename Fill>
  int post_staged(const Transfer& transfer, Fill& fill, const Notice& notice, Report report,
                  std::uint64_t& ticket);
  template <typename Fill>
  int post_piece(Transfer& transfer, Fill& fill, const Notice& notice, Report report,
                 std::uint64_t& ticket);
  template <typename Fill>
  int post_in_pieces(Transfer transfer, Fill fill);
  int post_from_segment(Transfer& transfer, const Notice& notice, std::uint64_t& ticket);
  int post_from_memory(const Transfer& transfer, std::uint64_t& ticket);

  wire::Channel& channel_;
  const Admission& admission_;
  const SharedSegments& segments_;
  RegistrationCache& registrations_;
  SendQueue& queue_;
  Completion& completion_;
  HostExecutor& host_;
  const bool can_read_memory_;
};

}  // namespace vmmc::internal
