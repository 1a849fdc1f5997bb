// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What became of transfers that were posted: handles, and the fence.
//
// Threads and processes: any thread and signal handlers; no memory is allocated.
#pragma once

#include "vmmc/internal/destination_space.h"
#include "vmmc/internal/send_queue.h"
#include "vmmc/internal/waiter.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class Completion {
 public:
  Completion(Waiter& waiter, const DestinationSpace& space, SendQueue& queue)
      : waiter_(waiter), space_(space), queue_(queue) {}

  static vmmc_send_handle handle_of(std::uint64_t ticket) { return ticket + 1; }

  // Of every transfer that was delivered while it was started.
  vmmc_send_handle handle_of_delivered() {
    delivered_given_.store(true, std::memory_order_relaxed);
    return kDelivered;
  }

  // As vmmc_send_test, vmmc_send_wait and vmmc_fence.
  int test(vmmc_send_handle handle);
  int wait(vmmc_send_handle handle);
  int fence();

  // Waits for a ticket. Its status, without a sentence.
  int wait_for(std::uint64_t ticket);
  // Waits until the source of a ticket may be reused. Its status, if it has completed.
  int wait_for_source(std::uint64_t ticket);

 private:
  int outcome_of(std::uint64_t ticket);
  bool is_delivered(vmmc_send_handle handle) const {
    return handle == kDelivered && delivered_given_.load(std::memory_order_relaxed);
  }
  bool is_handle(vmmc_send_handle handle) const { return handle - 1 < queue_.posted(); }

  static constexpr vmmc_send_handle kDelivered = UINT64_MAX;

  Waiter& waiter_;
  const DestinationSpace& space_;
  SendQueue& queue_;
  std::atomic<bool> delivered_given_{false};
};

}  // namespace vmmc::internal
