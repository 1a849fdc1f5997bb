// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Makes packets of the stores to one remote buffer and posts them in the order of the stores. There
// is one for each buffer that pages are bound to, however many bindings and imports lead there:
// order is promised for a buffer as a whole, so a store through one binding closes the packet of
// another.
//
// Two kinds of stores
//   typed     made here, under the lock, right before they are combined: so they are combined in the
//             order in which memory sees them. Refused in a signal handler that interrupted a holder
//             of a lock which is needed: then nothing is stored.
//   captured  already made when we hear of them, one at a time in the whole process, while all
//             others that want to make one wait. Who waits may have been interrupted while holding
//             our lock or the send queue's. So nobody is waited for here: if a lock is taken, or the
//             send queue is full, the store is put behind the others that were deferred, and the
//             timer's thread is woken to see to them. Whoever takes the lock next combines them
//             first. If they become too many, the capturing thread waits for room; if that is in
//             vain because it waits for itself, the process is ended with a sentence.
//
// How a typed store and deferred ones are kept in order
//   A typed store is made only while nothing is deferred. A store that is deferred at this very
//   moment, by another thread or by a signal handler of this one, carries what memory held then, and
//   is combined later, although in memory the typed one may be the last. So after the deferred ones
//   have been combined, and if one of them touches what the last typed store was for, that is sent
//   once more, as memory holds it then.
//   Not kept: the order between a typed store and captured stores to other places that are being
//   made at the same moment, by other threads or by a handler that interrupts it.
//
// Threads and processes
//   store(), copy() and flush(): any thread and signal handlers. captured(): as StoreSink. The lock
//   is never held while waiting for nicsim. Lock order: this lock, then the send queue's. A thread
//   that holds one of these locks below a signal handler does not wait for any of ours.
//   add() and remove(): one thread at a time.
//
// Invariants, under the lock
//   The packet in the buffer is current_'s. A closed packet is posted before anything else happens.
//
// What a crash at any instruction leaves behind: see send_queue.h.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "vmmc/internal/automatic/binding.h"
#include "vmmc/internal/automatic/combining_buffer.h"
#include "vmmc/internal/automatic/deferred_stores.h"
#include "vmmc/internal/automatic/packet_poster.h"
#include "vmmc/internal/automatic/packet_timer.h"
#include "vmmc/internal/owned_spin_lock.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

// What a packetizer is made for.
struct RemoteBuffer {
  vmmc_identity exporter{};
  std::uint32_t id = 0;

  bool operator==(const RemoteBuffer& other) const {
    return exporter.node == other.exporter.node && exporter.process == other.exporter.process &&
           id == other.id;
  }
};

class Packetizer;

// What all packetizers of an attachment share.
struct Packetizing {
  PacketPoster& poster;
  PacketTimer& timer;
  std::atomic<Packetizer*> first{nullptr};

  // Whether the calling thread, below the signal handler that it is in, holds the send queue's lock
  // or that of a packetizer.
  bool holds_lock() const;
};

class Packetizer {
 public:
  // ns that a capturing thread waits for a lock which is held for some tens of instructions, before
  // it takes it that the holder waits for it.
  static constexpr std::uint64_t kLongestHold = 30'000'000'000;

  explicit Packetizer(Packetizing& all) : all_(all) {}
  Packetizer(const Packetizer&) = delete;
  Packetizer& operator=(const Packetizer&) = delete;

  // A typed store. REQUIRES: an aligned word of the binding. VMMC_ERR_INTERRUPTED_SEND: not done.
  template <typename Word>
  int store(Binding& binding, Word* address, Word value);
  // The same for `length` bytes on one page.
  int copy(Binding& binding, std::uintptr_t address, const std::byte* source, std::size_t length);

  // A captured store.
  void captured(Binding& binding, std::uintptr_t address, std::size_t length);

  // Posts everything, and wakes receivers who wait for stores by shared capture. VMMC_OK;
  // VMMC_ERR_INTERRUPTED_SEND: not done.
  int flush();
  // Posts what is due at `now`, what is closed and what was deferred. When more is due, or kNever.
  std::uint64_t look(std::uint64_t now);

  void add(Binding& binding);
  // Posts everything, and forgets the binding. REQUIRES: nothing is captured for it any more.
  // VMMC_ERR_INTERRUPTED_SEND: not done.
  int remove(Binding& binding);
  bool in_use() const { return order_.bindings != nullptr; }

  // Of the list of all; changed before it can be found there.
  Packetizer* next = nullptr;
  // Which buffer; used by the thread that adds and removes.
  RemoteBuffer buffer_of_exporter;

 private:
  friend struct Packetizing;

  bool acquire() {
    const OwnedSpinLock::Attempt attempt = lock_.try_lock();
    if (attempt == OwnedSpinLock::Attempt::kTaken) [[likely]]
      return true;
    return attempt == OwnedSpinLock::Attempt::kBusy && acquire_busy();
  }
  bool acquire_busy();
  int wait_for_room();
  bool post_deferred();

  // These have the lock, and return VMMC_PENDING or VMMC_ERR_INTERRUPTED_SEND if what they need
  // cannot be posted now.
  int store_slowly(Binding& binding, std::uintptr_t address, const std::byte* bytes,
                   std::size_t length);
  int settle(std::uintptr_t address);
  int make_place(std::uintptr_t address);
  int combine_deferred();
  int repeat_typed();
  int post_closed();
  int close_and_post();
  void forget_packet();

  template <typename Copy>
  void combine(Binding& binding, std::uintptr_t address, const std::byte* bytes, std::size_t length,
               Copy copy);

  // What became of a captured store.
  enum class Taken {
    kWhole,     // nothing is left to do
    kDeferred,  // for whoever has the lock next
    kNot,       // there was no room
  };
  struct Patience {
    std::uint64_t since = 0;  // when the present wait began, if it has
  };
  Taken take_in(Binding& binding, std::uintptr_t address, std::size_t length, bool locked);
  void wait_for_others(Patience& patience, bool locked);

  int post_all();
  int see_to_shared();
  void forget(Binding& binding);
  void note_typed(Binding& binding, std::uintptr_t address, std::size_t length) {
    typed_binding_ = &binding;
    typed_address_ = address;
    typed_length_ = length;
  }
  bool quiet() const {
    return !unposted_.load(std::memory_order_acquire) && deferred_.empty() &&
           shared_.load(std::memory_order_acquire) == 0;
  }

  OwnedSpinLock lock_;
  std::atomic<bool> unposted_{false};     // the buffer is not empty
  std::atomic<std::uint32_t> shared_{0};  // bindings with shared capture
  Packetizing& all_;
  Binding* current_ = nullptr;
  PacketPoster::BufferOrder order_;
  std::uint64_t due_ = 0;  // when an open packet is to be closed; kNever: not by time
  // The last typed store, if something may have been deferred at the same moment (address 0: no);
  // and whether it must be sent once more.
  Binding* typed_binding_ = nullptr;
  std::uintptr_t typed_address_ = 0;
  std::size_t typed_length_ = 0;
  bool typed_again_ = false;
  CombiningBuffer buffer_;
  DeferredStores deferred_;
};

// Inline: most typed stores are no more than this.
template <typename Word>
inline int Packetizer::store(Binding& binding, Word* address, Word value) {
  if (!acquire()) return VMMC_ERR_INTERRUPTED_SEND;
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  std::byte* const local = binding.writable(at);
  if (!buffer_.can_join<Word>(at) || !deferred_.empty()) [[unlikely]] {
    return store_slowly(binding, at, reinterpret_cast<const std::byte*>(&value), sizeof value);
  }
  std::atomic_ref<Word>(*reinterpret_cast<Word*>(local)).store(value, std::memory_order_release);
  buffer_.join(value);
  note_typed(binding, at, sizeof value);
  lock_.unlock();
  return VMMC_OK;
}

}  // namespace vmmc::internal
