// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Gives packets of automatic update to the host executor, or posts them into the send queue: in the
// descriptor if they are small, else by way of the staging area. Never waits.
//
// Order: a packet that is posted closes its import's way through the host executor until it has been
// carried out; packets to the same buffer by other imports look at BufferOrder.
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
#include "vmmc/internal/host_executor.h"
#include "vmmc/internal/send_queue.h"
#include "vmmc/internal/waiter.h"

namespace vmmc::internal {

class PacketPoster {
 public:
  // What a packetizer keeps of its buffer.
  struct BufferOrder {
    Binding* bindings = nullptr;
    std::uint64_t posted = 0;  // tickets below this one carry packets to it
  };

  PacketPoster(wire::Channel& channel, const Waiter& waiter, SendQueue& queue, HostExecutor& host)
      : channel_(channel), waiter_(waiter), queue_(queue), host_(host) {}

  // VMMC_OK: stored, posted, or dropped because nobody would get it. VMMC_PENDING, and
  // VMMC_ERR_INTERRUPTED_SEND: none of them.
  int post(Binding& binding, const CombiningBuffer::Packet& packet, BufferOrder& buffer);

  // Of a binding whose stores make no packets: if its import has ended, nicsim is asked to say so, as
  // if there had been one.
  int post_end(Binding& binding, BufferOrder& buffer);

  // In simulated time: what nicsim's packetizer holds leaves.
  int post_flush();

  SendQueue& queue() { return queue_; }
  const SendQueue& queue() const { return queue_; }

 private:
  enum class Fate { kPost, kPostAsLast, kDrop };

  Fate fate_of(const Binding& binding, const Binding* bindings) const;
  bool try_host(const Binding& binding, const CombiningBuffer::Packet& packet,
                const BufferOrder& buffer);
  int post_bytes(const Binding& binding, const CombiningBuffer::Packet& packet,
                 std::uint64_t& ticket);
  int post_inline(const Binding& binding, const CombiningBuffer::Packet& packet,
                  std::uint64_t& ticket);
  int post_staged(const Binding& binding, const CombiningBuffer::Packet& packet,
                  std::uint64_t& ticket);

  wire::Channel& channel_;
  const Waiter& waiter_;
  SendQueue& queue_;
  HostExecutor& host_;
};

}  // namespace vmmc::internal
