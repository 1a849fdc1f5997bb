// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The bell of a buffer: where its exporter says that it sleeps, for importers that move bytes
// themselves (host executor) and so must wake it themselves.
//
//   lendable segment     pages 0 .. n-1   the buffer, and nothing else; it may end before the last page
//                        page n           BufferBell, then zeros
//
// An importer to which nicsim lends the segment maps all of it: the pages that it was granted, and
// the bell. It can ring without need, or fail to ring, for this buffer; nothing else.
//
// Threads and processes
//   The exporter's threads arm, any importer rings. nicsim does neither: it wakes by the channel. So it
//   does, too, when an importer that was lent the segment has ended.
//
// Protocol
//   Sleeper: notes `rings`; stores the watch; adds its reason to `armed`; makes that store visible to
//   every running importer (membarrier, so that a sender needs no fence); looks once more at what it
//   waits for; sleeps while `rings` is what it was.
//   Sender: stores its bytes, then loads `armed`. If a bit of it concerns these bytes: exchanges
//   `armed` for 0 and, if it was not 0, adds 1 to `rings` and wakes every sleeper (shared futex).
//
// What a crash at any instruction leaves behind
//   An armed bell: one needless wake-up call. A sender that dies between its bytes and the bell
//   leaves a sleeper asleep until the next transfer, as one that died just before its bytes. One that
//   dies with the bell in its hands (armed is 0, nobody has been woken) would leave him asleep for
//   ever: that is why nicsim wakes him.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nicsim/wire/version.h"

namespace vmmc::wire {

// A smaller buffer is not lent: senders count on room for a word.
inline constexpr std::uint64_t kLeastLentBytes = 8;

// Bits of BufferBell::armed.
inline constexpr std::uint32_t kRingForAny = 1;    // any bytes of the buffer
inline constexpr std::uint32_t kRingForWatch = 2;  // bytes that reach the watched word

struct alignas(kCacheLineSize) BufferBell {
  std::atomic<std::uint32_t> armed;
  std::atomic<std::uint32_t> rings;         // futex word
  std::atomic<std::uint64_t> watch_offset;  // bytes from the start of the buffer
  std::uint32_t reserved[12];
};
static_assert(sizeof(BufferBell) == 64);
static_assert(alignof(BufferBell) == kCacheLineSize);  // nothing of the buffer beside it
static_assert(offsetof(BufferBell, rings) == 4);
static_assert(offsetof(BufferBell, watch_offset) == 8);

}  // namespace vmmc::wire
