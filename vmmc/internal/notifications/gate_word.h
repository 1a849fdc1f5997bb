// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The delivery gate's state in one word, and what each event makes of it. Pure functions: the gate
// applies them by compare and exchange, and its test explores all their interleavings.
//
//   bits 0..31   the thread in which a handler runs; 0: none does
//   bit 32       kWanted: somebody tried to enter in vain since the gate was last free
//   bit 33       kAwaited: somebody sleeps until the handler has ended
//   bits 34..63  blocks: how often notifications are blocked, a running handler's own block apart
//
// Invariants
//   A handler starts only when none runs and blocks are 0. A vain attempt is not forgotten: the
//   event that makes the gate free is told of it.
#pragma once

#include <cstdint>

#include "vmmc/vmmc.h"

namespace vmmc::internal::gate {

using Word = std::uint64_t;

inline constexpr Word kThread = 0xffff'ffff;
inline constexpr Word kWanted = Word{1} << 32;
inline constexpr Word kAwaited = Word{1} << 33;
inline constexpr Word kOneBlock = Word{1} << 34;

enum class Entry { kEntered, kBlocked, kBusy };

constexpr Word runner(Word word) { return word & kThread; }
constexpr Word blocks(Word word) { return word / kOneBlock; }
constexpr bool is_free(Word word) { return runner(word) == 0 && blocks(word) == 0; }
constexpr bool runs_elsewhere(Word word, Word me) {
  return runner(word) != 0 && runner(word) != me;
}

// Whoever finds a handler of another thread running will sleep until it has ended.
constexpr Word after_await(Word word, Word me) {
  return runs_elsewhere(word, me) ? word | kAwaited : word;
}

constexpr Word after_block(Word word, Word me) { return after_await(word + kOneBlock, me); }

constexpr Word after_unblock(Word word) {
  if (blocks(word) == 0) return word;
  const Word next = word - kOneBlock;
  return is_free(next) ? next & ~kWanted : next;
}

// What vmmc_unblock_notifications returns.
constexpr int unblock_result(Word before, Word me) {
  if (runner(before) != 0 && runner(before) == me) {
    return blocks(before) == 0 ? VMMC_ERR_IN_HANDLER : 0;
  }
  return blocks(before) <= 1 ? 1 : 0;
}

constexpr Entry entry_result(Word before) {
  if (blocks(before) != 0) return Entry::kBlocked;
  return runner(before) != 0 ? Entry::kBusy : Entry::kEntered;
}

constexpr Word after_enter(Word word, Word me) {
  return is_free(word) ? word | me : word | kWanted;
}

constexpr Word after_leave(Word word) {
  const Word next = word & ~(kThread | kAwaited);
  return is_free(next) ? next & ~kWanted : next;
}

// Whether the event made the gate free, and somebody had tried to enter.
constexpr bool told(Word before, Word after) {
  return (before & kWanted) != 0 && (after & kWanted) == 0;
}

}  // namespace vmmc::internal::gate
