// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/send_queue.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "vmmc/internal/clock.h"

namespace vmmc::internal {

// As begin(), when there is no room at once; the caller holds the lock.
int SendQueue::begin_when_full(Slot& slot) {
  for (bool counted = false;; counted = true) {
    reap();
    if (has_room(slot.ticket)) {
      if (marks() && counted && has_room(slot.ticket + 1)) {
        publish_mark(wire::make_mark(wire::MarkKind::kWaitForRoom));
        slot.ticket = claimed_.load(std::memory_order_relaxed);
      }
      return VMMC_OK;
    }
    const std::uint64_t seen = reaped_;
    release();
    if (marks()) meter_.stop();
    if (!counted) full_waits_.fetch_add(1, std::memory_order_relaxed);
    const int status = wait_for_progress(seen);
    if (status != VMMC_OK) return status;
    if (!lock_.lock()) return VMMC_ERR_INTERRUPTED_SEND;
    slot.ticket = claimed_.load(std::memory_order_relaxed);
  }
}

[[gnu::cold]] void SendQueue::keep_others_in_order(const host_executor::record& record,
                                                   std::uint64_t ticket) {
  for (auto* other = record.next_of_buffer; other != &record; other = other->next_of_buffer) {
    keep_in_order(*other, ticket);
  }
}

void SendQueue::ring() {
  if (channel_.doorbell.nic_sleeps.exchange(0, std::memory_order_seq_cst) == 0) return;
  const int saved = errno;
  const std::uint64_t one = 1;
  // EAGAIN would mean 2^64 unread rings; EINTR does not happen to an eventfd that can be written.
  (void)!::write(doorbell_, &one, sizeof one);
  errno = saved;
  doorbells_.fetch_add(1, std::memory_order_relaxed);
  if (marks()) meter_.go();  // the system call is no work of the program's
}

// ----------------------------------------------------------------------------------- marking

void SendQueue::start_marking() {
  meter_.start();
  attend_mask_ = 0;
}

// Under the lock, before a slot is used: often enough that reaping never takes long. A queue that fills is
// left to the program: its work is told of later.
void SendQueue::attend(Slot& slot) {
  if (marks()) meter_.stop();
  reap();
  if (!marks() || !has_room(slot.ticket + kSlots / 2)) return;
  publish_mark(wire::make_mark(wire::MarkKind::kWork));
  slot.ticket = claimed_.load(std::memory_order_relaxed);
}

// Under the lock, with room for it. As publish(); there is no import that it could overtake.
void SendQueue::publish_mark(wire::MarkOperands mark) {
  mark.thread = meter_.thread();
  mark.work = meter_.take();
  if (mark.kind == wire::MarkKind::kWork) {
    mark.value = marks_lost_.exchange(0, std::memory_order_relaxed);
  }
  const std::uint64_t ticket = claimed_.load(std::memory_order_relaxed);
  wire::SendDescriptor& descriptor = channel_.send_queue[ticket % kSlots];
  kept_[ticket % kSlots] = {};
  descriptor.import_slot = descriptor.import_generation = 0;
  descriptor.destination = 0;
  descriptor.mark = mark;
  claimed_.store(ticket + 1, std::memory_order_release);
  descriptor.header.store(
      wire::make_header(ticket, wire::LocalPlace::kInline, wire::Operation::kMark, 0, 0),
      std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (channel_.doorbell.nic_sleeps.load(std::memory_order_relaxed) != 0) ring();
  marks_posted_.fetch_add(1, std::memory_order_relaxed);
  posted_.store(ticket + 1, std::memory_order_release);
  meter_.go();
}

// Never waits: what the queue waits for may be this very thread.
void SendQueue::post_mark(wire::MarkOperands mark) {
  meter_.stop();
  bool posted = false;
  if (lock_.lock()) {
    reap();
    posted = has_room(claimed_.load(std::memory_order_relaxed));
    if (posted) publish_mark(mark);
    release();
  }
  if (!posted) marks_lost_.fetch_add(1, std::memory_order_relaxed);
  meter_.go();
}

std::uint64_t SendQueue::begin_marked() {
  meter_.stop();
  return monotonic_ns();
}

void SendQueue::end_marked(wire::MarkOperands mark, std::uint64_t began, int status) {
  constexpr std::uint64_t kNanosecondsPerMicrosecond = 1000;
  const std::uint64_t waited = (monotonic_ns() - began) / kNanosecondsPerMicrosecond;
  mark.waited = static_cast<std::uint32_t>(std::min<std::uint64_t>(waited, UINT32_MAX));
  mark.timed_out = status == VMMC_ERR_TIMEOUT ? 1 : 0;
  post_mark(mark);
}

// Only the thread that was interrupted goes on with it.
void SendQueue::go_on() {
  std::uintptr_t me = OwnedSpinLock::this_thread();
  if (put_off_by_.compare_exchange_strong(me, 0, std::memory_order_relaxed)) {
    resume_(resume_argument_);
  }
}

// Under the lock: takes note of everything that has completed since the last time.
void SendQueue::reap() {
  const std::uint64_t end = completed();
  for (; reaped_ < end; ++reaped_) {
    const std::uint64_t index = reaped_ % kSlots;
    Kept& kept = kept_[index];
    if (kept.blocks != 0) staging_.give_back(kept.blocks);
    if (kept.previous != nullptr) {
      *kept.previous = channel_.previous[index].load(std::memory_order_relaxed);
    }
    const std::int32_t status = channel_.results[index].load(std::memory_order_relaxed);
    if (status == VMMC_OK) continue;
    failures_.add(reaped_, status);
    if (!kept.reports_itself && failure_.status == VMMC_OK) {
      failure_ = {status, reaped_, channel_.send_queue[index].destination};
    }
  }
}

int SendQueue::wait_for_progress(std::uint64_t completed_before) {
  return waiter_.wait_until([&] { return completed() > completed_before; },
                            strategy_.load(std::memory_order_relaxed), VMMC_FOREVER,
                            CompletionWakes{});
}

int SendQueue::claim_staging(std::uint32_t bytes, StagingArea::Claim& claim) {
  if (marks()) [[unlikely]]
    meter_.stop();
  for (bool counted = false;;) {
    if (const auto claimed = staging_.claim(bytes)) {
      claim = *claimed;
      return VMMC_OK;
    }
    if (!lock_.lock()) return VMMC_ERR_INTERRUPTED_SEND;
    const std::uint64_t before = reaped_;
    reap();
    const std::uint64_t now = reaped_;
    const std::uint64_t posted = claimed_.load(std::memory_order_relaxed);
    release();
    if (now != before) continue;
    if (!counted) full_waits_.fetch_add(1, std::memory_order_relaxed);
    counted = true;
    // With nothing under way the blocks are held by threads that are still copying.
    if (now == posted) {
      if (waiter_.nicsim_gone()) return VMMC_ERR_NICSIM_GONE;
      ::sched_yield();
    } else if (const int status = wait_for_progress(now); status != VMMC_OK) {
      return status;
    }
  }
}

int SendQueue::try_claim_staging(std::uint32_t bytes, StagingArea::Claim& claim) {
  if (marks()) [[unlikely]]
    meter_.stop();
  auto claimed = staging_.claim(bytes);
  if (!claimed) {
    const OwnedSpinLock::Attempt attempt = lock_.try_lock(kTries);
    if (attempt == OwnedSpinLock::Attempt::kMine) return VMMC_ERR_INTERRUPTED_SEND;
    if (attempt == OwnedSpinLock::Attempt::kBusy) return VMMC_PENDING;
    reap();
    release();
    claimed = staging_.claim(bytes);
    if (!claimed) return VMMC_PENDING;
  }
  claim = *claimed;
  return VMMC_OK;
}

int SendQueue::wait_for_room() {
  if (marks()) [[unlikely]]
    meter_.stop();
  const std::uint64_t done = completed();
  if (waiter_.nicsim_gone()) return VMMC_ERR_NICSIM_GONE;
  if (done >= posted()) {
    ::sched_yield();
    return VMMC_PENDING;
  }
  full_waits_.fetch_add(1, std::memory_order_relaxed);
  return wait_for_progress(done);
}

int SendQueue::test(std::uint64_t ticket) const {
  if (completed() <= ticket) return VMMC_PENDING;
  const std::int32_t status = channel_.results[ticket % kSlots].load(std::memory_order_acquire);
  // Valid if the slot had not been claimed again when we looked.
  if (claimed_.load(std::memory_order_acquire) <= ticket + kSlots) return status;
  return failures_.find(ticket);
}

int SendQueue::wait_completed(std::uint64_t ticket) {
  return marked(wire::make_mark(wire::MarkKind::kWaitForCompletion, ticket), [&] {
    return waiter_.wait_until([&] { return completed() >= ticket; },
                              strategy_.load(std::memory_order_relaxed), VMMC_FOREVER,
                              CompletionWakes{});
  });
}

int SendQueue::wait_sources_free(std::uint64_t ticket) {
  if (!waiter_.time().on()) {
    return marked(wire::make_mark(wire::MarkKind::kWaitForSources, ticket), [&] {
      return waiter_.wait_until([&] { return completed() >= ticket; },
                                strategy_.load(std::memory_order_relaxed), VMMC_FOREVER,
                                CompletionWakes{});
    });
  }
  const auto& sources_free = channel_.send_status.sources_free;
  return waiter_.wait_until(
      [&] {
        return sources_free.load(std::memory_order_acquire) >= ticket || completed() >= ticket;
      },
      strategy_.load(std::memory_order_relaxed), VMMC_FOREVER, CompletionWakes{});
}

// The word stands in the channel only until the slot is used again, so whoever reaps takes it along.
int SendQueue::wait_previous(std::uint64_t ticket) {
  const int status = wait_completed(ticket + 1);
  if (!lock_.lock()) return VMMC_ERR_INTERRUPTED_SEND;
  reap();
  // nicsim has gone: the caller's variable ends with the call.
  if (reaped_ <= ticket) kept_[ticket % kSlots].previous = nullptr;
  release();
  return status;
}

SendQueue::Failure SendQueue::take_failure() {
  if (!lock_.lock()) return {};
  reap();
  const Failure failure = std::exchange(failure_, Failure{});
  release();
  return failure;
}

int SendQueue::quiesce() {
  if (!lock_.lock()) return VMMC_ERR_INTERRUPTED_SEND;
  const std::uint64_t posted = claimed_.load(std::memory_order_relaxed);
  release();
  return wait_completed(posted);
}

}  // namespace vmmc::internal
