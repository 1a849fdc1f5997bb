// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who has which part of the channel's staging area: 64 blocks, one bit each.
//
// Threads: any, without a lock; async-signal-safe. Bytes are copied into claimed blocks before the
// send queue's lock is taken, so that a page fault on the source holds nobody up.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>

#include "nicsim/wire/channel.h"

namespace vmmc::internal {

class StagingArea {
 public:
  static constexpr std::uint32_t kBlocks = 64;
  static constexpr std::uint32_t kBlockBytes = wire::kStagingBytes / kBlocks;
  // A quarter of the area: while nicsim reads one piece of a long send, the next ones are filled.
  static constexpr std::uint32_t kLargestClaim = wire::kStagingBytes / 4;

  struct Claim {
    std::uint64_t blocks;  // bit mask
    std::uint32_t offset;  // bytes from the start of the area
  };

  // Claims consecutive blocks for `bytes` (1 .. kLargestClaim), the lowest that are free: they are
  // likeliest to be in a cache. Nothing if there is no such run now.
  std::optional<Claim> claim(std::uint32_t bytes) {
    const std::uint32_t count = (bytes + kBlockBytes - 1) / kBlockBytes;
    std::uint64_t free = free_.load(std::memory_order_relaxed);
    for (;;) {
      std::uint64_t starts = free;  // bit i stays set if blocks i .. i + count - 1 are free
      for (std::uint32_t i = 1; i < count; ++i) starts &= free >> i;
      if (starts == 0) return std::nullopt;
      const int first = std::countr_zero(starts);
      const std::uint64_t blocks = ((std::uint64_t{1} << count) - 1) << first;
      if (free_.compare_exchange_weak(free, free & ~blocks, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return Claim{blocks, static_cast<std::uint32_t>(first) * kBlockBytes};
      }
    }
  }

  void give_back(std::uint64_t blocks) { free_.fetch_or(blocks, std::memory_order_release); }

 private:
  std::atomic<std::uint64_t> free_{~std::uint64_t{0}};
};

static_assert(StagingArea::kLargestClaim / StagingArea::kBlockBytes < 64);

}  // namespace vmmc::internal
