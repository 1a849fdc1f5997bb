// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/notification_port.h"

#include <unistd.h>

#include <algorithm>

namespace vmmc::nicsim {

bool NotificationPort::post(const wire::Notification& notification) {
  refill();
  return kept_.empty() && put_or_ask(notification);
}

bool NotificationPort::keep(const wire::Notification& notification) {
  if (kept_.size() >= kMaxKept) return false;
  kept_.push_back(notification);
  return true;
}

bool NotificationPort::refill() {
  bool any = false;
  while (!kept_.empty() && put_or_ask(kept_.front())) {
    kept_.pop_front();
    any = true;
  }
  return any;
}

// False: the client has been asked for room.
bool NotificationPort::put_or_ask(const wire::Notification& notification) {
  return put(notification) || (ask_for_room() && put(notification));
}

// A client that says it has consumed more than there was has no room either.
bool NotificationPort::has_room() const {
  const std::uint64_t consumed =
      channel_.shared().notification_demand.consumed.load(std::memory_order_acquire);
  return produced_ - consumed < wire::kNotificationSlots;
}

std::uint64_t NotificationPort::queued() const {
  const std::uint64_t consumed =
      channel_.shared().notification_demand.consumed.load(std::memory_order_acquire);
  return std::min<std::uint64_t>(produced_ - consumed, wire::kNotificationSlots);
}

// True if there is room after all. The question stands: another sender may wait for its answer, and a
// doorbell too many does no harm.
bool NotificationPort::ask_for_room() {
  std::atomic<std::uint32_t>& waits = channel_.shared().notification_demand.nic_waits;
  waits.store(1, std::memory_order_relaxed);
  // Pairs with the fence of a client that makes room and then looks at the flag.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return has_room();
}

bool NotificationPort::put(const wire::Notification& notification) {
  if (!has_room()) return false;
  wire::Channel& channel = channel_.shared();
  channel.notifications[produced_ % wire::kNotificationSlots] = notification;
  channel.notification_status.produced.store(++produced_, std::memory_order_release);
  ChannelView::count(channel.counters.notifications_received);
  wake();
  return true;
}

void NotificationPort::wake() {
  std::atomic<std::uint32_t>& waits = channel_.shared().notification_demand.client_waits;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (waits.load(std::memory_order_relaxed) == 0) return;
  if (waits.exchange(0, std::memory_order_seq_cst) == 0 || !pipe_.valid()) return;
  // A full pipe is readable, which is all that it has to be.
  (void)!::write(pipe_.get(), "", 1);
}

}  // namespace vmmc::nicsim
