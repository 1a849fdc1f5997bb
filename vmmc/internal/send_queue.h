// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The client's side of the send queue: posts descriptors, finds out what became of them, wakes
// nicsim.
//
//   SendQueue::Slot slot;
//   int status = queue.begin(slot);            // takes the lock; waits for room without it
//   slot.descriptor->local = ...;             // a few stores
//   ticket = queue.publish(slot, ...);         // or queue.abandon(): releases the lock
//
// Threads and processes
//   Any thread posts, under one spin lock private to the process; nobody waits for nicsim while
//   holding it. A signal handler that interrupted the holder on its own thread is refused. Looking
//   for results takes no lock.
//
// Invariants (tickets count descriptors since attach)
//   reaped <= completed (nicsim's) <= posted <= claimed <= reaped + kSendSlots.
//   A ticket is claimed before its slot is published and posted after nicsim has been woken for it:
//   whoever waits for a posted ticket need not ring. A result stands in the channel until the
//   slot's next ticket is claimed; reaping before that moves failures to the failure log, frees
//   staging blocks and keeps the first failure that nobody was told of.
//
// What a crash at any instruction leaves behind
//   Only private state and a slot that is not published, or published whole.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "nicsim/wire/channel.h"
#include "vmmc/internal/failure_log.h"
#include "vmmc/internal/host_records.h"
#include "vmmc/internal/owned_spin_lock.h"
#include "vmmc/internal/staging_area.h"
#include "vmmc/internal/waiter.h"
#include "vmmc/internal/work_meter.h"

namespace vmmc::internal {

class SendQueue {
 public:
  struct Slot {
    wire::SendDescriptor* descriptor = nullptr;
    std::uint64_t ticket = 0;
  };

  // How a descriptor is published. `blocks`: staging blocks to free when it has completed.
  // `reports_itself`: the caller learns the result, so a fence must not report it again. `previous`:
  // where the word that an atomic operation found goes, for wait_previous().
  struct Publication {
    wire::LocalPlace place;
    wire::Operation operation = wire::Operation::kDeliberateUpdate;
    std::uint8_t flags = 0;
    std::uint8_t inline_length = 0;
    std::uint64_t blocks = 0;
    bool reports_itself = false;
    std::uint64_t* previous = nullptr;  // atomic operations: see wait_previous()
  };

  // A failure that no call has reported, with what the descriptor said.
  struct Failure {
    std::int32_t status = 0;
    std::uint64_t ticket = 0;
    std::uint64_t destination = 0;  // bytes from the start of the destination space
  };

  // `doorbell` is an eventfd that stays open. `strategy` is used when there is no room.
  SendQueue(wire::Channel& channel, Waiter& waiter, int doorbell,
            const std::atomic<vmmc_wait_strategy>& strategy)
      : channel_(channel), waiter_(waiter), doorbell_(doorbell), strategy_(strategy) {}

  // VMMC_OK: the caller holds the lock and a free slot. VMMC_ERR_INTERRUPTED_SEND,
  // VMMC_ERR_NICSIM_GONE: neither.
  int begin(Slot& slot);
  // As begin(), but does not wait: VMMC_PENDING if there is no room now, or if another thread holds
  // the lock for longer than a send takes.
  int try_begin(Slot& slot);
  std::uint64_t publish(const Slot& slot, const Publication& publication);
  void abandon() { release(); }

  bool in_simulated_time() const { return waiter_.time().on(); }

  // Whether the calling thread holds the lock: below the signal handler that it is in.
  bool held() const { return lock_.held(); }

  // What a signal handler that sends has to put off if it interrupted the holder: `resume` is called
  // with `argument` by put_off()'s thread when it has released the lock. Set before use.
  void set_resume(void (*resume)(void*), void* argument) {
    resume_ = resume;
    resume_argument_ = argument;
  }
  // In a signal handler. True: the calling thread holds the lock, and will call `resume`.
  bool put_off() {
    if (!lock_.held()) return false;
    put_off_by_.store(OwnedSpinLock::this_thread(), std::memory_order_relaxed);
    return true;
  }

  // Claims staging blocks, waiting for room if there is none. VMMC_ERR_NICSIM_GONE,
  // VMMC_ERR_INTERRUPTED_SEND.
  int claim_staging(std::uint32_t bytes, StagingArea::Claim& claim);
  // The same without waiting: VMMC_PENDING if there are no such blocks now.
  int try_claim_staging(std::uint32_t bytes, StagingArea::Claim& claim);
  void give_back_staging(const StagingArea::Claim& claim) { staging_.give_back(claim.blocks); }

  // After VMMC_PENDING of a try_: waits until nicsim has completed something. VMMC_OK;
  // VMMC_PENDING, after yielding: it has nothing to do, so it is another thread that is busy;
  // VMMC_ERR_NICSIM_GONE.
  int wait_for_room();

  // nicsim records: from now on it is told of the program's work before each operation, and of its waits.
  // In the thread that attaches, before others send.
  void start_marking();
  bool marks() const { return meter_.on(); }
  WorkMeter& meter() { return meter_; }
  std::uint64_t marks_posted() const { return marks_posted_.load(std::memory_order_relaxed); }

  // What wait() returns. `mark` tells of it, but for its thread, its work, and how it ended.
  template <typename Wait>
  int marked(const wire::MarkOperands& mark, Wait wait) {
    if (!marks()) [[likely]]
      return wait();
    const std::uint64_t began = begin_marked();
    const int status = wait();
    end_marked(mark, began, status);
    return status;
  }
  // Posts a mark with the work of the calling thread so far. Does not wait: one that cannot be posted is
  // lost, and a later one tells that it was; its work is not. So it is if the queue is full, or in a handler
  // that interrupted the holder of the lock.
  void post_mark(wire::MarkOperands mark);

  // Number of tickets posted: all below it have been published.
  std::uint64_t posted() const { return posted_.load(std::memory_order_acquire); }

  // VMMC_PENDING, VMMC_OK or the failure, of a ticket below posted().
  int test(std::uint64_t ticket) const;
  // VMMC_OK when all tickets below `ticket` have completed; VMMC_ERR_NICSIM_GONE.
  int wait_completed(std::uint64_t ticket);
  // The same when their source bytes are no longer needed: earlier only in simulated time.
  int wait_sources_free(std::uint64_t ticket);
  // The same for an atomic operation: then *previous of its publication is set. In any case it is
  // not used any more afterwards.
  int wait_previous(std::uint64_t ticket);

  // Whether all tickets below `ticket` have completed.
  bool has_completed(std::uint64_t ticket) const { return completed() >= ticket; }

  // What function() returns, called with the lock held so that nobody posts meanwhile; false if this
  // thread holds it already.
  template <typename Function>
  bool while_locked(Function function) {
    if (!lock_.lock()) return false;
    const bool outcome = function();
    release();
    return outcome;
  }

  // The same without waiting: also false if another thread holds the lock for longer than a send
  // takes.
  template <typename Function>
  bool try_while_locked(Function function) {
    if (lock_.try_lock(kTries) != OwnedSpinLock::Attempt::kTaken) return false;
    const bool outcome = function();
    release();
    return outcome;
  }

  // The first failure that nobody was told of since the last call, or status 0. Leaves it for the
  // next call if the calling thread holds the lock (a handler that interrupted a send).
  Failure take_failure();

  // Waits until every send that has looked at shared state under the lock so far has completed.
  int quiesce();

  std::uint64_t doorbells() const { return doorbells_.load(std::memory_order_relaxed); }
  std::uint64_t full_waits() const { return full_waits_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::uint32_t kSlots = wire::kSendSlots;
  static constexpr std::uint64_t kReapEvery = 32;  // a power of two
  static constexpr std::uint32_t kTries = 100;

  std::uint64_t completed() const {
    return channel_.send_status.completed.load(std::memory_order_acquire);
  }
  void reap();
  void attend(Slot& slot);
  void publish_mark(wire::MarkOperands mark);
  std::uint64_t begin_marked();
  void end_marked(wire::MarkOperands mark, std::uint64_t began, int status);
  void ring();
  void release() {
    lock_.unlock();
    if (put_off_by_.load(std::memory_order_relaxed) != 0) [[unlikely]]
      go_on();
  }
  void go_on();
  // The host executor must not overtake this transfer, by whichever import of the same buffer.
  static void keep_in_order(const Slot& slot) {
    host_executor::record& record = host_executor::records[slot.descriptor->import_slot];
    keep_in_order(record, slot.ticket);
    if (record.next_of_buffer != nullptr) [[unlikely]]
      keep_others_in_order(record, slot.ticket);
  }
  static void keep_in_order(host_executor::record& record, std::uint64_t ticket) {
    if (record.granted_state.load(std::memory_order_relaxed) == host_executor::kClosed) return;
    record.pending.store(ticket + 1, std::memory_order_relaxed);
    record.open_state.store(host_executor::kClosed, std::memory_order_relaxed);
    record.open_to_many.store(host_executor::kClosed, std::memory_order_relaxed);
  }
  static void keep_others_in_order(const host_executor::record& record, std::uint64_t ticket);
  bool has_room(std::uint64_t ticket) const { return ticket - reaped_ < kSlots; }
  int begin_when_full(Slot& slot);
  int wait_for_progress(std::uint64_t completed_before);

  // Kept of each slot's descriptor, under the lock.
  struct Kept {
    std::uint64_t blocks = 0;
    std::uint64_t* previous = nullptr;
    bool reports_itself = false;
  };

  wire::Channel& channel_;
  Waiter& waiter_;
  const int doorbell_;
  const std::atomic<vmmc_wait_strategy>& strategy_;

  void (*resume_)(void*) = nullptr;
  void* resume_argument_ = nullptr;

  alignas(wire::kCacheLineSize) OwnedSpinLock lock_;
  std::atomic<std::uintptr_t> put_off_by_{0};  // the thread that was interrupted with the lock
  std::atomic<std::uint64_t> claimed_{0};
  std::atomic<std::uint64_t> posted_{0};
  std::uint64_t attend_mask_ = kReapEvery - 1;  // attend() to these tickets; marking: to every one
  std::uint64_t reaped_ = 0;
  Failure failure_;
  std::array<Kept, kSlots> kept_;
  FailureLog failures_;
  // Changed without the lock, by whoever copies.
  alignas(wire::kCacheLineSize) StagingArea staging_;
  alignas(wire::kCacheLineSize) std::atomic<std::uint64_t> doorbells_{0};
  std::atomic<std::uint64_t> full_waits_{0};
  std::atomic<std::uint64_t> marks_posted_{0};
  std::atomic<std::uint64_t> marks_lost_{0};  // since the last mark of work
  WorkMeter meter_;
};

// What threads change under the lock stands in lines of its own, up to the end of the object.
static_assert(alignof(SendQueue) == wire::kCacheLineSize);

// Inline: this is most of what a small send costs.

inline int SendQueue::begin(Slot& slot) {
  if (!lock_.lock()) return VMMC_ERR_INTERRUPTED_SEND;
  slot.ticket = claimed_.load(std::memory_order_relaxed);
  // Often enough that it never takes long.
  if ((slot.ticket & attend_mask_) == 0) [[unlikely]]
    attend(slot);
  if (!has_room(slot.ticket)) [[unlikely]] {
    if (const int status = begin_when_full(slot); status != VMMC_OK) return status;
  }
  slot.descriptor = &channel_.send_queue[slot.ticket % kSlots];
  return VMMC_OK;
}

inline int SendQueue::try_begin(Slot& slot) {
  const OwnedSpinLock::Attempt attempt = lock_.try_lock(kTries);
  if (attempt == OwnedSpinLock::Attempt::kMine) return VMMC_ERR_INTERRUPTED_SEND;
  if (attempt == OwnedSpinLock::Attempt::kBusy) return VMMC_PENDING;
  slot.ticket = claimed_.load(std::memory_order_relaxed);
  if ((slot.ticket & attend_mask_) == 0 || !has_room(slot.ticket)) [[unlikely]]
    attend(slot);
  if (!has_room(slot.ticket)) [[unlikely]] {
    release();
    return VMMC_PENDING;
  }
  slot.descriptor = &channel_.send_queue[slot.ticket % kSlots];
  return VMMC_OK;
}

[[gnu::always_inline]] inline std::uint64_t SendQueue::publish(const Slot& slot,
                                                               const Publication& publication) {
  kept_[slot.ticket % kSlots] = {publication.blocks, publication.previous,
                                 publication.reports_itself};
  keep_in_order(slot);
  // Release: whoever finds the slot claimed again finds its last failure in the log (test()).
  claimed_.store(slot.ticket + 1, std::memory_order_release);
  slot.descriptor->header.store(
      wire::make_header(slot.ticket, publication.place, publication.operation, publication.flags,
                        publication.inline_length),
      std::memory_order_release);
  // Pairs with nicsim's fence between its store to the flag and its last look at the queue.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (channel_.doorbell.nic_sleeps.load(std::memory_order_relaxed) != 0) [[unlikely]]
    ring();
  posted_.store(slot.ticket + 1, std::memory_order_release);
  release();
  return slot.ticket;
}

}  // namespace vmmc::internal
