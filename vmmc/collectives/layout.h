// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Where everything lies in the buffer that each rank exports for a group. The same on all ranks, so
// that a sender knows the receiver's offsets.
//
//   header     alarm and scratch word (Mesh)
//   barrier    a word per round
//   credits    a word per stream that this rank sends on: chunks that the receiver has taken
//   grants     a word per rank: chunks that it allows this rank to send in all-to-all, in all
//   exchanges  small payloads of allreduce: for each round two slots, used in turn
//   streams    2 ceil(log2 n), one from each neighbour: kDepth chunks each
//   lanes      what all-to-all receives: kLanes of kDepth chunks, each lent to one sender at a time
//
// Slots of one of the last three kinds are followed by their words, one each: see stamp.h.
//
// Units: bytes from the start of the buffer. Threads: no state after construction.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vmmc/collectives/tree.h"

namespace vmmc::collectives {

inline constexpr std::size_t kWord = sizeof(std::uint64_t);

// The buffer's first bytes.
inline constexpr std::size_t kAlarmOffset = 0;
inline constexpr std::size_t kScratchOffset = kWord;
inline constexpr std::size_t kHeaderBytes = 64;

inline constexpr std::uint32_t kDepth = 4;  // chunks in a stream or lane
inline constexpr std::uint32_t kLanes = 2;  // one being used, one granted to the next sender
inline constexpr std::size_t kExchangeBytes = 1024;  // the largest payload that is exchanged whole

// An array of slots and the words that belong to them.
class Slots {
 public:
  Slots() = default;
  Slots(std::size_t offset, std::size_t count, std::size_t slot_bytes)
      : offset_(offset), count_(count), slot_bytes_(slot_bytes) {}

  std::size_t slot(std::size_t index) const { return offset_ + index * slot_bytes_; }
  std::size_t word(std::size_t index) const { return slot(count_) + index * kWord; }
  std::size_t end() const { return word(count_); }

 private:
  std::size_t offset_ = 0;
  std::size_t count_ = 0;
  std::size_t slot_bytes_ = 0;
};

struct Layout {
  Layout(std::uint32_t size, std::size_t chunk) : chunk_bytes(chunk) {
    const std::size_t rounds = distances(size);
    barrier = kHeaderBytes;
    credits = barrier + rounds * kWord;
    grants = credits + 2 * rounds * kWord;
    exchanges = Slots(aligned(grants + size * kWord), 2 * exchange_count(size), kExchangeBytes);
    streams = Slots(aligned(exchanges.end()), 2 * rounds * kDepth, chunk);
    lanes = Slots(aligned(streams.end()), std::size_t{kLanes} * kDepth, chunk);
    total = aligned(lanes.end());
  }

  // Rounds of recursive doubling, one before them and one after.
  static std::size_t exchange_count(std::uint32_t size) { return doublings(size) + 2; }

  std::size_t chunk_bytes;
  std::size_t barrier, credits, grants;
  Slots exchanges, streams, lanes;
  std::size_t total;

 private:
  static std::size_t aligned(std::size_t offset) { return (offset + 63) / 64 * 64; }
};

}  // namespace vmmc::collectives
