// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/packetizer.h"

#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "platform/word_copy.h"
#include "vmmc/internal/clock.h"

namespace vmmc::internal {
namespace {

constexpr auto kCopyPrivate = [](std::byte* to, const std::byte* from, std::size_t length) {
  std::memcpy(to, from, length);
};
constexpr auto kCopyShared = [](std::byte* to, const std::byte* from, std::size_t length) {
  load_shared_bytes(to, from, length);
};

// Each aligned word whole, like the single store that a word of this length is.
void store_locally(std::byte* to, const std::byte* from, std::size_t length) {
  if (length == sizeof(std::uint16_t)) {
    std::uint16_t word;
    std::memcpy(&word, from, sizeof word);
    if (reinterpret_cast<std::uintptr_t>(to) % sizeof word == 0) {
      std::atomic_ref<std::uint16_t>(*reinterpret_cast<std::uint16_t*>(to))
          .store(word, std::memory_order_release);
      return;
    }
  }
  platform::copy_words(to, from, length);
}

[[noreturn]] void end_process(const char* sentence) {
  (void)!::write(STDERR_FILENO, sentence, std::strlen(sentence));
  std::abort();
}

}  // namespace

void Binding::stored(const void* address, std::size_t length) {
  if (mark.load(std::memory_order_acquire) != kLive) return;
  packetizer->captured(*this, reinterpret_cast<std::uintptr_t>(address), length);
}

bool Packetizing::holds_lock() const {
  if (poster.queue().held()) return true;
  for (const Packetizer* each = first.load(std::memory_order_acquire); each != nullptr;
       each = each->next) {
    if (each->lock_.held()) return true;
  }
  return false;
}

// The holder may be waiting for a lock that this thread holds.
[[gnu::cold]] bool Packetizer::acquire_busy() {
  if (all_.holds_lock()) return false;
  return lock_.lock();
}

// Lets go of the lock while it waits. VMMC_ERR_INTERRUPTED_SEND: the lock was not taken again.
int Packetizer::wait_for_room() {
  lock_.unlock();
  (void)all_.poster.queue().wait_for_room();  // if nicsim has gone, posting knows
  return acquire() ? VMMC_OK : VMMC_ERR_INTERRUPTED_SEND;
}

// ---- typed stores

int Packetizer::copy(Binding& binding, std::uintptr_t address, const std::byte* source,
                     std::size_t length) {
  if (!acquire()) return VMMC_ERR_INTERRUPTED_SEND;
  return store_slowly(binding, address, source, length);
}

// Takes the lock over. Nothing is stored before it is sure to be combined.
int Packetizer::store_slowly(Binding& binding, std::uintptr_t address, const std::byte* bytes,
                             std::size_t length) {
  int status = settle(address);
  while (status == VMMC_PENDING) {
    status = wait_for_room();
    if (status != VMMC_OK) return status;
    status = settle(address);
  }
  if (status == VMMC_OK && all_.poster.queue().held()) status = VMMC_ERR_INTERRUPTED_SEND;
  if (status == VMMC_OK) {
    // From the buffer: a source that changes meanwhile is read once.
    combine(binding, address, bytes, length, kCopyPrivate);
    store_locally(binding.writable(address), buffer_.bytes_at(address), length);
    note_typed(binding, address, length);
    while (buffer_.closed() && post_closed() == VMMC_PENDING) {
      // Not taken again: whoever holds it posts the packet.
      if (wait_for_room() != VMMC_OK) return VMMC_OK;
    }
  }
  lock_.unlock();
  return status;
}

// ---- captured stores

void Packetizer::captured(Binding& binding, std::uintptr_t address, std::size_t length) {
  Patience patience;
  for (;;) {
    const bool locked = lock_.try_lock() == OwnedSpinLock::Attempt::kTaken;
    const Taken taken = take_in(binding, address, length, locked);
    if (locked && taken == Taken::kDeferred && post_deferred()) return;
    if (locked) lock_.unlock();
    if (taken == Taken::kWhole) return;
    all_.timer.wake();
    if (taken == Taken::kDeferred) return;
    wait_for_others(patience, locked);
  }
}

// In simulated time the storing thread waits for room itself, as long as the processor would: the other
// thread's turn is no part of simulated time. True: done, and the lock released.
bool Packetizer::post_deferred() {
  SendQueue& queue = all_.poster.queue();
  if (!queue.in_simulated_time() || queue.held()) return false;
  for (;;) {
    int status = combine_deferred();
    if (status == VMMC_OK && buffer_.closed()) status = post_closed();
    if (status != VMMC_PENDING) {
      lock_.unlock();
      return true;
    }
    if (wait_for_room() != VMMC_OK) return true;
  }
}

Packetizer::Taken Packetizer::take_in(Binding& binding, std::uintptr_t address, std::size_t length,
                                      bool locked) {
  if (locked && settle(address) == VMMC_OK) {
    combine(binding, address, reinterpret_cast<const std::byte*>(address), length, kCopyShared);
    const bool left = buffer_.closed() && post_closed() != VMMC_OK;
    return left ? Taken::kDeferred : Taken::kWhole;
  }
  return deferred_.push(binding, address, length) ? Taken::kDeferred : Taken::kNot;
}

// There is no room for another deferred store. While nicsim has something to do there will be; but
// not if we wait for somebody who holds a lock and waits for us.
void Packetizer::wait_for_others(Patience& patience, bool locked) {
  if (lock_.held() || all_.poster.queue().held()) {
    end_process(
        "vmmc: a signal handler that interrupted a send or a typed store has made more stores to "
        "bound pages than can be kept until that is over\n");
  }
  if (locked && all_.poster.queue().wait_for_room() == VMMC_OK) {
    patience = {};
    return;
  }
  ::sched_yield();
  const std::uint64_t now = monotonic_ns();
  if (patience.since == 0) patience.since = now;
  if (now - patience.since < kLongestHold) return;
  end_process(
      "vmmc: more stores to bound pages were made than can be kept, while a signal handler that "
      "interrupted a send or a typed store waited for its turn to make one\n");
}

// ---- under the lock

// Makes sure that a store at `address` can be combined as the next one.
int Packetizer::settle(std::uintptr_t address) {
  const int status = combine_deferred();
  return status == VMMC_OK ? make_place(address) : status;
}

int Packetizer::make_place(std::uintptr_t address) {
  return buffer_.empty() || buffer_.follows(address) ? VMMC_OK : close_and_post();
}

// See 'How a typed store and deferred ones are kept in order'.
int Packetizer::combine_deferred() {
  for (;;) {
    if (const DeferredStores::Entry* entry = deferred_.to_combine()) {
      if (const int status = make_place(entry->address); status != VMMC_OK) return status;
      combine(*entry->binding, entry->address, entry->bytes, entry->length, kCopyPrivate);
      typed_again_ = typed_again_ || entry->overlaps(typed_address_, typed_length_);
      deferred_.combined();
    } else if (typed_again_) {
      if (const int status = repeat_typed(); status != VMMC_OK) return status;
    } else {
      typed_address_ = 0;  // what is deferred from now on is younger
      return VMMC_OK;
    }
  }
}

// What memory holds is sent only if no store has been deferred since it was looked at: else it might
// overtake one.
int Packetizer::repeat_typed() {
  if (const int status = close_and_post(); status != VMMC_OK) return status;
  combine(*typed_binding_, typed_address_, reinterpret_cast<const std::byte*>(typed_address_),
          typed_length_, kCopyShared);
  std::atomic_thread_fence(std::memory_order_acquire);
  if (deferred_.empty()) {
    typed_again_ = false;
  } else {
    forget_packet();
  }
  return VMMC_OK;
}

template <typename Copy>
void Packetizer::combine(Binding& binding, std::uintptr_t address, const std::byte* bytes,
                         std::size_t length, Copy copy) {
  const bool opens = buffer_.empty();
  buffer_.put(address, bytes, length, binding.unit, copy);
  if (!opens) return;
  current_ = &binding;
  due_ = PacketTimer::kNever;
  unposted_.store(true, std::memory_order_release);
  if (binding.timer == 0 || buffer_.closed()) return;
  const std::uint64_t now = monotonic_ns();
  due_ = now + binding.timer < now ? PacketTimer::kNever : now + binding.timer;
  all_.timer.expect(due_);
}

int Packetizer::close_and_post() {
  buffer_.close();
  return post_closed();
}

int Packetizer::post_closed() {
  while (!buffer_.empty()) {
    const int status = all_.poster.post(*current_, buffer_.front(), order_);
    if (status != VMMC_OK) return status;
    buffer_.pop();
  }
  forget_packet();
  return VMMC_OK;
}

void Packetizer::forget_packet() {
  buffer_.clear();
  unposted_.store(false, std::memory_order_relaxed);
}

// ---- all that is there

int Packetizer::flush() {
  if (quiet()) return VMMC_OK;
  if (!acquire()) return VMMC_ERR_INTERRUPTED_SEND;
  return post_all();
}

// Takes the lock over.
int Packetizer::post_all() {
  for (;;) {
    int status = combine_deferred();
    if (status == VMMC_OK) status = close_and_post();
    if (status == VMMC_OK) status = see_to_shared();
    if (status != VMMC_PENDING) {
      lock_.unlock();
      return status;
    }
    if (wait_for_room() != VMMC_OK) return VMMC_ERR_INTERRUPTED_SEND;
  }
}

// Nobody has seen the plain stores to shared pages.
int Packetizer::see_to_shared() {
  for (Binding* each = order_.bindings; each != nullptr; each = each->next) {
    if (each->capture != VMMC_CAPTURE_SHARED) continue;
    each->announce_stores();
    if (const int status = all_.poster.post_end(*each, order_); status != VMMC_OK) return status;
  }
  return VMMC_OK;
}

std::uint64_t Packetizer::look(std::uint64_t now) {
  // Under the lock even if there seems to be nothing: see PacketTimer's invariants.
  (void)lock_.lock();  // this thread holds no other, and no handler runs here
  for (;;) {
    int status = combine_deferred();
    const bool open = !buffer_.empty() && !buffer_.closed();
    if (status == VMMC_OK && (buffer_.closed() || (open && due_ <= now))) status = close_and_post();
    if (status != VMMC_PENDING) break;
    if (all_.poster.queue().in_simulated_time()) {
      // This thread takes no part in simulated time. It comes again if nobody else posts it.
      constexpr std::uint64_t kAgain = 1'000'000;
      lock_.unlock();
      return now + kAgain;
    }
    (void)wait_for_room();
  }
  const std::uint64_t due = buffer_.empty() ? PacketTimer::kNever : due_;
  lock_.unlock();
  return due;
}

void Packetizer::add(Binding& binding) {
  (void)lock_.lock();
  binding.next = order_.bindings;
  order_.bindings = &binding;
  if (binding.capture == VMMC_CAPTURE_SHARED) shared_.fetch_add(1, std::memory_order_release);
  lock_.unlock();
}

int Packetizer::remove(Binding& binding) {
  if (!acquire()) return VMMC_ERR_INTERRUPTED_SEND;
  // What is stored meanwhile is stored through other bindings.
  if (const int status = post_all(); status != VMMC_OK) return status;
  if (!acquire()) return VMMC_ERR_INTERRUPTED_SEND;
  forget(binding);
  lock_.unlock();
  return VMMC_OK;
}

void Packetizer::forget(Binding& binding) {
  Binding** link = &order_.bindings;
  while (*link != &binding) link = &(*link)->next;
  *link = binding.next;
  if (binding.capture == VMMC_CAPTURE_SHARED) shared_.fetch_sub(1, std::memory_order_release);
  if (typed_binding_ == &binding) typed_address_ = 0;  // where no store is
}

}  // namespace vmmc::internal
