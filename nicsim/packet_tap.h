// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who gets to see every packet of the backplane that has been written to memory, or lends its page.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <cstddef>
#include <span>

#include "nicsim/trace/packet_header.h"
#include "nicsim/trace/trace.h"

namespace vmmc::nicsim {

class PacketTap {
 public:
  virtual ~PacketTap() = default;

  // The payload, piece by piece, stands where it was written, and may be changed at any time.
  virtual void passed(const PacketHeader& header,
                      std::span<const std::span<const std::byte>> payload) = 0;
};

// Of a packet that has arrived, as the trace would have it.
inline PacketHeader header_of(const TraceEntry& arrived) {
  return {.event = static_cast<std::uint8_t>(arrived.event),
          .kind = arrived.kind,
          .flags = arrived.flags,
          .status = arrived.status,
          .from_node = static_cast<std::uint16_t>(arrived.peer),
          .to_node = static_cast<std::uint16_t>(arrived.node),
          .from_process = arrived.peer_process,
          .to_process = arrived.process,
          .buffer = arrived.buffer,
          .packet = arrived.packet,
          .page = arrived.page,
          .operation = arrived.operation,
          .offset = arrived.offset,
          .length = arrived.length,
          .time = arrived.time,
          .duration = arrived.duration};
}

}  // namespace vmmc::nicsim
