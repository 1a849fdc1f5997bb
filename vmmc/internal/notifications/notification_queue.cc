// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/notifications/notification_queue.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace vmmc::internal {

std::uint64_t NotificationQueue::last_before(std::uint64_t end) const {
  const std::uint64_t consumed = consumed_.load(std::memory_order_relaxed);
  const std::uint64_t last = produced();
  if (last - consumed > kSlots) return consumed;
  return std::min(last, end);
}

void NotificationQueue::advance(std::uint64_t last) {
  const std::uint64_t before = consumed_.load(std::memory_order_relaxed);
  std::uint64_t consumed = before;
  for (; consumed < last && gone_[consumed % kSlots]; ++consumed) gone_[consumed % kSlots] = false;
  if (consumed == before) return;
  consumed_.store(consumed, std::memory_order_release);
  demand_.consumed.store(consumed, std::memory_order_release);
  // Pairs with nicsim's fence between its store to the flag and its last look at `consumed`.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (demand_.nic_waits.load(std::memory_order_relaxed) != 0) ring();
}

void NotificationQueue::ring() {
  if (demand_.nic_waits.exchange(0, std::memory_order_seq_cst) == 0) return;
  const int saved = errno;
  const std::uint64_t one = 1;
  (void)!::write(doorbell_, &one, sizeof one);
  errno = saved;
}

}  // namespace vmmc::internal
