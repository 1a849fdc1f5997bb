// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Posts packets of automatic update into the send queue: in the descriptor if they are small, else
// by way of the staging area. Never waits.
//
// After the end of an import one packet is still posted, unless nicsim has refused one already: so
// nicsim says why, and the next fence reports it, once. All later ones are dropped.
//
// Threads: any; async-signal-safe. Of the bindings of one packetizer, one at a time.
#pragma once

#include <cstdint>

#include "nicsim/wire/channel.h"
#include "vmmc/internal/automatic/binding.h"
#include "vmmc/internal/automatic/combining_buffer.h"
#include "vmmc/internal/send_queue.h"
#include "vmmc/internal/waiter.h"

namespace vmmc::internal {

class PacketPoster {
 public:
  PacketPoster(wire::Channel& channel, const Waiter& waiter, SendQueue& queue)
      : channel_(channel), waiter_(waiter), queue_(queue) {}

  // VMMC_OK: posted, or dropped because nobody would get it. VMMC_PENDING, and
  // VMMC_ERR_INTERRUPTED_SEND: neither. `bindings`: all of the packetizer.
  int post(Binding& binding, const CombiningBuffer::Packet& packet, Binding* bindings);

  SendQueue& queue() { return queue_; }
  const SendQueue& queue() const { return queue_; }

 private:
  enum class Fate { kPost, kPostAsLast, kDrop };

  Fate fate_of(const Binding& binding, const Binding* bindings) const;
  int post_bytes(const Binding& binding, const CombiningBuffer::Packet& packet,
                 std::uint64_t& ticket);
  int post_inline(const Binding& binding, const CombiningBuffer::Packet& packet,
                  std::uint64_t& ticket);
  int post_staged(const Binding& binding, const CombiningBuffer::Packet& packet,
                  std::uint64_t& ticket);

  wire::Channel& channel_;
  const Waiter& waiter_;
  SendQueue& queue_;
};

}  // namespace vmmc::internal
