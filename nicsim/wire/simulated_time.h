// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Simulated time between nicsim and the processes that live in it: part of the channel. Used only if
// AttachReply::clock says so.
//
// Simulated time stands still while any thread runs that takes part in it. A thread that has to wait, or
// wants time to pass, parks: it says in a context what it waits for. When all threads of all processes
// are parked, nicsim carries out what they have asked for, in the order of simulated time, and lets one
// of them go on when what it waits for has come about: then time stands still again.
//
// Threads and processes
//   A context belongs to one thread of the client at a time, who claims it by exchanging kFree for
//   kRunning. The thread writes the fields of its context, stores kParked (release), rings the doorbell,
//   and sleeps on `state` (shared futex) until it is kRunning again. nicsim reads the fields once after
//   it has seen kParked, and stores kRunning to let it go on. Another thread of the same client that
//   has brought about what a parked thread waits for stores 1 to its `woken`, and rings if it takes no
//   part in simulated time itself: the parked one goes on at the process's clock when the others of its
//   client are parked, so that no two of them run side by side. nicsim exchanges `woken` for 0.
//
// What a crash at any instruction leaves behind
//   nicsim forgets the contexts with the channel; time goes on without the dead process. When nicsim
//   dies, the client wakes its own threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nicsim/wire/version.h"

namespace vmmc::wire {

// AttachReply::clock
inline constexpr std::uint32_t kRealTime = 0;
inline constexpr std::uint32_t kSimulatedTime = 1;

enum class ContextState : std::uint32_t { kFree = 0, kRunning = 1, kParked = 2 };

// What lets a parked thread go on, besides the end of its wait: kWakeOnArrival, kWakeOnCompletion,
// kWakeOnWatch (see channel.h), and
inline constexpr std::uint32_t kWakeOnNotification = 8;

// The thread waits for something outside of the machine, and nothing lets it go on but `woken`, which it
// stores itself when it comes back: then it goes on when nothing else is to happen, so that what it does
// does not depend on how long it has been away.
inline constexpr std::uint32_t kIsOutside = 1u << 30;

// The thread computes: the processor is its own until the wait is over.
inline constexpr std::uint32_t kComputes = 1u << 31;

inline constexpr std::uint64_t kNoEnd = UINT64_MAX;

struct alignas(kCacheLineSize) TimeContext {
  std::atomic<std::uint32_t> state;  // ContextState
  std::uint32_t reasons;
  std::uint64_t wait;  // picoseconds from the process's clock on, or kNoEnd
  std::uint32_t watch_segment;
  std::uint32_t parks;  // counted by the client: a new park is not taken for the last one
  std::uint64_t watch_offset;
  std::uint64_t clock;  // nicsim's: the process's clock in picoseconds when the thread went on
  std::uint64_t left;   // nicsim's: of the wait when the thread went on, in picoseconds, or kNoEnd
  std::atomic<std::uint32_t> woken;
  std::uint32_t reserved2[3];
};
static_assert(sizeof(TimeContext) == kCacheLineSize);
static_assert(offsetof(TimeContext, wait) == 8);
static_assert(offsetof(TimeContext, watch_offset) == 24);
static_assert(offsetof(TimeContext, clock) == 32);
static_assert(offsetof(TimeContext, woken) == 48);

// More threads than that wait for one another in turn.
inline constexpr std::uint32_t kTimeContexts = 32;

}  // namespace vmmc::wire
