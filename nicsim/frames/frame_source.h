// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Where the frames of a ring come from: a capture file, or an interface of the host. (Packets of
// the backplane are pushed by the transfer engine; they need no source.)
//
// Threads: used by nicsim's one thread, which no source may hold up: take() never waits.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "nicsim/wire/status.h"

namespace vmmc::nicsim {

struct Frame {
  std::uint64_t time = 0;    // ns since 1970
  std::uint32_t length = 0;  // bytes that the frame had
  std::uint16_t link_type = 0;
  std::uint16_t flags = 0;  // wire::kFrameOutbound, wire::kFrameVlan...
  std::uint16_t interface = 0;
  std::uint16_t vlan = 0;
  std::span<const std::byte> bytes;  // captured of it
};

class FrameSource {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~FrameSource() = default;

  // The next frames, at most frames.size(), and how many they are; 0: there is none now. What their
  // bytes refer to stays as it is until the next call.
  virtual std::size_t take(std::span<Frame> frames) = 0;

  // Bytes that the last take() has gone over, those of its frames included: what it has cost.
  virtual std::uint64_t consumed() const { return 0; }

  // After a take() that gave nothing: whether there will never be any more, and why not: kOk: the
  // source is at its end.
  virtual bool ended() const = 0;
  virtual wire::Status status() const = 0;

  // Whether frames that find no room wait in the source; else they are lost.
  virtual bool waits_for_room() const = 0;

  // Frames that the source itself has lost so far (the kernel's ring was full).
  virtual std::uint64_t lost() { return 0; }

  // LINKTYPE_... of the first interface.
  virtual std::uint16_t link_type() const = 0;

  // After a take() that gave nothing: readable when there may be something again; -1: it is to be
  // asked at next_time() instead, and max() of that means: at once, for the source is never dry
  // before its end.
  virtual int descriptor() const { return -1; }
  virtual Clock::time_point next_time() const { return Clock::time_point::max(); }
};

}  // namespace vmmc::nicsim
