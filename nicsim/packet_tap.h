// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who gets to see every packet of the backplane that has been written to memory.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <cstddef>
#include <span>

#include "nicsim/trace/packet_header.h"

namespace vmmc::nicsim {

class PacketTap {
 public:
  virtual ~PacketTap() = default;

  // The payload, piece by piece, stands where it was written, and may be changed at any time.
  virtual void passed(const PacketHeader& header,
                      std::span<const std::span<const std::byte>> payload) = 0;
};

}  // namespace vmmc::nicsim
