// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Walks over the frames of one block of a packet socket's ring (TPACKET_V3).
//
// Threads and processes: whoever shares the socket can map the ring and write into it at any time.
// So every field is read once and compared with the block's size before it is used.
//
// Invariants: every frame lies inside the block. A walk ends, after as many frames at most as the
// block can hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "nicsim/frames/frame_source.h"

namespace vmmc::nicsim {

// The LINKTYPE_... of frames that a raw packet socket has from interfaces of this ARPHRD_...
std::optional<std::uint16_t> link_type_of_hardware(std::uint16_t hardware);

class PacketBlock {
 public:
  PacketBlock() = default;  // no frames
  explicit PacketBlock(std::span<const std::byte> block);

  // The next frames, at most frames.size(). 0: there are no more.
  std::size_t take(std::span<Frame> frames);

  bool done() const { return left_ == 0; }

  // Frames of interfaces whose link type is not known: they were left out.
  std::uint64_t unknown() const { return unknown_; }

 private:
  enum class Outcome { kFrame, kUnknown, kSenseless };
  Outcome read(Frame& frame);

  std::span<const std::byte> block_;
  std::size_t at_ = 0;      // of the next frame's header
  std::uint32_t left_ = 0;  // frames
  std::uint64_t unknown_ = 0;
};

}  // namespace vmmc::nicsim
