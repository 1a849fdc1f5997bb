// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The client's side of the notification queue in the channel: takes notifications out, also from the
// middle, and gives nicsim the room back.
//
// Threads and processes
//   take() and any(): under a lock of the owner's. The rest: any thread and signal handlers.
//
// Invariants (numbers count notifications since attach)
//   consumed <= produced (nicsim's) <= consumed + kNotificationSlots; a `produced` outside reads as
//   an empty queue. What was taken from behind `consumed` is remembered until `consumed` has passed
//   it. nicsim is rung for when it waits for room and `consumed` has risen.
//
// What a crash at any instruction leaves behind
//   A queue that nicsim gives up together with the channel.
#pragma once

#include <atomic>
#include <bitset>
#include <cstdint>

#include "nicsim/wire/channel.h"

namespace vmmc::internal {

class NotificationQueue {
 public:
  // What is to become of a queued notification.
  enum class Verdict { kTake, kLeave, kDrop };

  // `doorbell` is an eventfd that stays open.
  NotificationQueue(wire::Channel& channel, int doorbell)
      : status_(channel.notification_status),
        demand_(channel.notification_demand),
        slots_(channel.notifications),
        doorbell_(doorbell) {}

  std::uint64_t produced() const { return status_.produced.load(std::memory_order_acquire); }
  // Whether anything was queued and not taken when it was last looked at. A hint.
  bool pending() const { return produced() != consumed_.load(std::memory_order_acquire); }

  // Asks judge(cookie) of each queued notification before number `end`, oldest first, until it
  // takes one, which is copied. False: it took none.
  template <typename Judge>
  bool take(std::uint64_t end, Judge judge, wire::Notification& taken) {
    bool found = false;
    const std::uint64_t last = last_before(end);
    for (std::uint64_t n = consumed_.load(std::memory_order_relaxed); n < last && !found; ++n) {
      const std::uint64_t index = n % kSlots;
      if (gone_[index]) continue;
      taken = slots_[index];
      const Verdict verdict = judge(taken.cookie);
      found = verdict == Verdict::kTake;
      if (verdict != Verdict::kLeave) gone_[index] = true;
    }
    advance(last);
    return found;
  }

  // Whether wanted(cookie) is true of a queued notification.
  template <typename Wanted>
  bool any(Wanted wanted) const {
    const std::uint64_t last = last_before(UINT64_MAX);
    for (std::uint64_t n = consumed_.load(std::memory_order_relaxed); n < last; ++n) {
      if (!gone_[n % kSlots] && wanted(slots_[n % kSlots].cookie)) return true;
    }
    return false;
  }

  // From now on the next notification is announced on the pipe, once. The caller then looks at
  // produced() again.
  void arm() {
    demand_.client_waits.store(1, std::memory_order_seq_cst);
    // Pairs with nicsim's order: raise `produced`, exchange the flag.
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }

 private:
  static constexpr std::uint64_t kSlots = wire::kNotificationSlots;

  std::uint64_t last_before(std::uint64_t end) const;
  void advance(std::uint64_t last);
  void ring();

  const wire::NotificationStatus& status_;
  wire::NotificationDemand& demand_;
  const wire::Notification* const slots_;
  const int doorbell_;
  std::atomic<std::uint64_t> consumed_{0};  // our own: what stands in the channel is not read back
  std::bitset<kSlots> gone_;                // taken or dropped, at or behind consumed_
};

}  // namespace vmmc::internal
