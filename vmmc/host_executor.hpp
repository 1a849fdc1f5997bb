// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The host executor's way for one word, small enough to stand inline in a program: what
// vmmc::proxy::send does for an object of 1, 2, 4 or 8 bytes. Programs include vmmc/vmmc.hpp; nothing
// here is for them to call.
//
//   record ----> state      what nicsim says of the import, one word of the channel
//          ----> memory     the buffer's pages, as nicsim handed them over
//          ----> armed      whether the receiver sleeps
//          ----> counts     what nicsim adds up for both sides
//
// Threads and processes
//   The first thread that sends by a record owns it and goes this way without any atomic
//   read-modify-write; once a second thread has used it, all go the longer way through vmmc_send.
//   Signal handlers may interrupt a store and store themselves.
//
// Invariants
//   While `busy` is 1 the memory stays mapped and the record the owner's: whoever ends
//   the import, or lets a second thread in, closes the record to the owner (open_state), issues a
//   process-wide fence in the place of one here, and waits until busy is 0.
//   open_state is not what it must be while a transfer that was given to nicsim before, by any import
//   of the buffer, is under way, so no store here overtakes one.
//
// What a crash at any instruction leaves behind
//   The word stored or not, whole. A store that was not followed by its wake-up leaves the receiver
//   asleep, as a crash right before the store would.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace vmmc::host_executor {

// No import's state: such a record is closed.
inline constexpr std::uint32_t kClosed = 0xffffffff;
inline constinit const std::atomic<std::uint32_t> kNoState{0};

struct alignas(64) record {
  // The first line is what a store looks at.
  std::atomic<std::uintptr_t> owner{0};            // thread; 0: none yet; kManyThreads
  std::atomic<std::uint32_t> open_state{kClosed};  // what *state is while open to the owner
  std::atomic<std::uint32_t> busy{0};              // 1: the owner is inside; its alone
  const std::atomic<std::uint32_t>* state = &kNoState;
  std::byte* memory = nullptr;
  std::uint64_t* counts = nullptr;  // transfers; bytes beyond 8 in each
  const std::atomic<std::uint32_t>* armed = nullptr;
  std::uint64_t last_word = 0;       // offset of the last 8 bytes
  const std::byte* proxy = nullptr;  // address of the first byte

  // For everybody else.
  alignas(64) std::atomic<std::uint32_t> busy_others{0};
  std::atomic<std::uint32_t> open_to_many{kClosed};   // as open_state, for who is not the owner
  std::atomic<std::uint32_t> granted_state{kClosed};  // what both are when nothing is under way
  std::atomic<std::uint64_t> pending{0};              // tickets below this one must have completed
  std::atomic<bool> demanded{false};                  // the import asked for this executor
  bool shown = false;                // local pages show the buffer (shared capture)
  record* next_of_buffer = nullptr;  // ring of all imports of one buffer; nullptr: the only one
  const std::byte* local = nullptr;  // the buffer itself, if it is of this process
};
static_assert(sizeof(record) == 128);
static_assert(offsetof(record, busy_others) == 64);

inline constexpr std::uintptr_t kManyThreads = 1;

// The record of the import that begins at this proxy; one that is always closed if it has none (or the
// address is null). Lives as long as the program.
record& record_of(const void* proxy);

// The end of a store to a receiver that sleeps: wakes it if it waits for these bytes, and leaves the
// record. For its owner; `before` as enter() said.
void ring_and_leave(record& to, std::uint64_t offset, std::uint64_t length, std::uint32_t before);

// A number that no other living thread has: its thread pointer, one instruction.
inline std::uintptr_t this_thread() {
  return reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
}

// Adds to a word that this thread alone changes. One instruction where there is one for it, so that a
// signal handler cannot come in between.
inline void add(std::uint64_t& word, std::uint64_t amount) {
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
  asm volatile("addq %1, %0" : "+m"(word) : "re"(amount) : "cc");
#else
  const std::atomic_ref<std::uint64_t> shared(word);
  shared.store(shared.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
#endif
}

// Leaves a record as its owner.
[[gnu::always_inline]] inline void leave(record& to, std::uint32_t before) {
  to.busy.store(before, std::memory_order_release);
}

// Enters a record as its owner: false if it is somebody else's, or closed. `before` is for the end: a
// signal handler that came in between must leave the record busy.
[[gnu::always_inline]] inline bool enter(record& to, std::uint32_t& before) {
  if (to.owner.load(std::memory_order_relaxed) != this_thread()) [[unlikely]]
    return false;
  before = to.busy.load(std::memory_order_relaxed);
  to.busy.store(1, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  // Only now does nobody take the record away.
  if (to.state->load(std::memory_order_acquire) == to.open_state.load(std::memory_order_relaxed))
      [[likely]] {
    return true;
  }
  leave(to, before);
  return false;
}

// Bytes have been stored: counts them, wakes a receiver that waits for them, and leaves.
[[gnu::always_inline]] inline void arrive(record& to, std::uint64_t offset, std::uint64_t length,
                                          std::uint32_t before) {
  add(to.counts[0], 1);
  if (length != sizeof(std::uint64_t)) add(to.counts[1], length - sizeof(std::uint64_t));
  // The receiver fences both sides before it sleeps (nicsim/wire/buffer_bell.h).
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (to.armed->load(std::memory_order_relaxed) == 0) [[likely]] {
    leave(to, before);
  } else {
    ring_and_leave(to, offset, length, before);
  }
}

// True: stored. False: this way is not open now, or not for such a place; nothing has happened.
template <typename Word>
[[gnu::always_inline]] inline bool try_store(record& to, std::size_t offset, Word value) {
  static_assert(std::is_unsigned_v<Word>);
  std::uint32_t before = 0;
  if (offset > to.last_word || offset % sizeof(Word) != 0 || !enter(to, before)) return false;
  std::atomic_ref<Word>(*reinterpret_cast<Word*>(to.memory + offset))
      .store(value, std::memory_order_release);
  arrive(to, offset, sizeof(Word), before);
  return true;
}

}  // namespace vmmc::host_executor
