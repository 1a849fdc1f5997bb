// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A frame as it was on the wire, where it lies in the ring. One of which the interface has taken the VLAN tag out
// gets it back: such a frame, and no other, is copied.
//
// Threads: one thread at a time. What of() has returned is good until its next call, and while the frame is held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vmmc/ring.h"

namespace vmmc::dump {

struct WholeFrame {
  std::uint64_t time;    // ns since 1970
  std::uint32_t length;  // bytes that it had
  std::uint16_t link_type;
  std::span<const std::byte> bytes;  // what is here of them
};

class FrameBytes {
 public:
  static constexpr std::uint32_t kTagBytes = 4;
  WholeFrame of(const vmmc_frame& frame);

 private:
  std::vector<std::byte> tagged_;
};

}  // namespace vmmc::dump
