// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// FrameRing: how frames come into blocks. Some ten nanoseconds a frame: no call that is not inlined
// but for long frames, and nothing atomic.

#include <algorithm>
#include <cstring>

#include "nicsim/frames/flow_hash.h"
#include "nicsim/frames/frame_ring.h"

namespace vmmc::nicsim {
namespace {

// Frames ahead whose bytes are asked for from memory.
constexpr std::size_t kAhead = 4;

// A call of memcpy costs more than a small frame.
inline void copy_bytes(std::byte* to, const std::byte* from, std::size_t bytes) {
  constexpr std::size_t kSmall = 128;
  if (bytes > kSmall) {
    std::memcpy(to, from, bytes);
  } else if (bytes >= 32) {
    for (std::size_t at = 0; at + 32 < bytes; at += 32) std::memcpy(to + at, from + at, 32);
    std::memcpy(to + bytes - 32, from + bytes - 32, 32);  // may overlap what has been copied
  } else if (bytes >= 8) {
    for (std::size_t at = 0; at + 8 < bytes; at += 8) std::memcpy(to + at, from + at, 8);
    std::memcpy(to + bytes - 8, from + bytes - 8, 8);
  } else {
    for (std::size_t at = 0; at < bytes; ++at) to[at] = from[at];
  }
}

}  // namespace

std::size_t FrameRing::write(std::span<const Frame> frames, bool waits, Clock::time_point now) {
  now_ = now;
  lane_.full = false;
  if (!by_flow()) return write_to_lanes<false>(frames, waits);
  for (const auto& consumer : consumers_) consumer->lane.full = false;
  return write_to_lanes<true>(frames, waits);
}

template <bool kByFlow>
std::size_t FrameRing::write_to_lanes(std::span<const Frame> frames, bool waits) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (i + kAhead < frames.size()) __builtin_prefetch(frames[i + kAhead].bytes.data());
    const Frame& frame = frames[i];
    Lane& lane = kByFlow ? lane_of(frame) : lane_;
    if (put(lane, frame)) [[likely]]
      continue;
    if (waits) return i;
    drop(lane, frame);
  }
  return frames.size();
}

FrameRing::Lane& FrameRing::lane_of(const Frame& frame) {
  const std::uint64_t hash = flow_hash(frame.bytes, frame.link_type);
  return consumers_[(hash * consumers_.size()) >> 32]->lane;
}

// False: there is no room.
inline bool FrameRing::put(Lane& lane, const Frame& frame) {
  const auto captured =
      static_cast<std::uint32_t>(std::min<std::size_t>(frame.bytes.size(), options_.snap_length));
  const std::uint32_t next = (static_cast<std::uint32_t>(sizeof(wire::FrameHeader)) + captured +
                              wire::kFrameAlignment - 1) /
                             wire::kFrameAlignment * wire::kFrameAlignment;
  if (static_cast<std::size_t>(lane.end - lane.at) < next) [[unlikely]] {
    if (lane.block != kNone) close_block(lane);
    if (!open_block(lane)) return false;
  }
  const wire::FrameHeader header{.time = frame.time,
                                 .captured = captured,
                                 .length = frame.length,
                                 .next = next,
                                 .dropped = lane.dropped,
                                 .link_type = frame.link_type,
                                 .flags = static_cast<std::uint16_t>(
                                     frame.flags | (captured < frame.length ? wire::kFrameCut : 0)),
                                 .interface = frame.interface,
                                 .vlan = frame.vlan};
  std::memcpy(lane.at, &header, sizeof header);
  copy_bytes(lane.at + sizeof header, frame.bytes.data(), captured);
  lane.at += next;
  lane.dropped = 0;
  lane.changed = true;
  ++lane.next_frame;
  ++lane.counts.delivered;
  lane.counts.delivered_bytes += captured;
  return true;
}

void FrameRing::drop(Lane& lane, const Frame& frame) {
  ++lane.next_frame;
  if (lane.dropped != std::numeric_limits<std::uint32_t>::max()) ++lane.dropped;
  ++lane.counts.dropped;
  lane.counts.dropped_bytes += std::min<std::size_t>(frame.bytes.size(), options_.snap_length);
  lane.changed = true;
}

}  // namespace vmmc::nicsim
