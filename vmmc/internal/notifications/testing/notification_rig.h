// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Notifications with a nicsim of the test's, and a handler that checks what it is given.
//
// Threads and processes: as FakeNicsim and Notifications. The handler is async-signal-safe.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "platform/testing/thread_state.h"
#include "vmmc/internal/notifications/notifications.h"
#include "vmmc/internal/notifications/testing/fake_nicsim.h"

namespace vmmc::internal::testing {

// What one buffer's handler saw.
class Recorder {
 public:
  explicit Recorder(std::uint32_t buffer_id, std::size_t room = 1 << 10)
      : id_(buffer_id), seen_(room) {}

  NotificationHandler handler() { return {&Recorder::arrived, this, this, id_}; }

  std::uint64_t calls() const { return calls_.load(std::memory_order_acquire); }
  // The immediate of each call, in their order.
  std::uint32_t seen(std::size_t call) const { return seen_[call % seen_.size()]; }
  // Calls that came while another one of any Recorder ran, and descriptions that were wrong.
  static std::uint64_t nested() { return nested_.load(); }
  static std::uint64_t wrong() { return wrong_.load(); }
  static bool running() { return running_.load() != 0; }

  // Before it is first called: runs in each call.
  using Inside = void (*)(void* argument, const vmmc_notification* notification);
  void run_inside(Inside inside, void* argument) {
    inside_ = inside;
    inside_argument_ = argument;
  }

 private:
  static void arrived(const vmmc_notification* notification, void* argument) {
    if (running_.fetch_add(1) != 0) nested_.fetch_add(1);
    static_cast<Recorder*>(argument)->record(*notification);
    running_.fetch_sub(1);
  }

  void record(const vmmc_notification& notification) {
    const wire::Notification made = FakeNicsim::make(0, notification.immediate);
    if (notification.buffer_id != id_ || notification.buffer != this ||
        notification.offset != made.offset || notification.length != made.length ||
        notification.sender.node != made.sender_node ||
        notification.sender.process != made.sender_process) {
      wrong_.fetch_add(1);
    }
    // Plain: handlers never run at once, and the thread sanitizer sees whether that is so.
    seen_[next_++ % seen_.size()] = notification.immediate;
    if (inside_ != nullptr) inside_(inside_argument_, &notification);
    calls_.fetch_add(1, std::memory_order_release);
  }

  inline static std::atomic<int> running_{0};
  inline static std::atomic<std::uint64_t> nested_{0};
  inline static std::atomic<std::uint64_t> wrong_{0};

  const std::uint32_t id_;
  std::vector<std::uint32_t> seen_;
  std::uint64_t next_ = 0;
  std::atomic<std::uint64_t> calls_{0};
  Inside inside_ = nullptr;
  void* inside_argument_ = nullptr;
};

struct NotificationRig {
  explicit NotificationRig(vmmc_delivery delivery, int signal = 0)
      : notifications(nicsim.channel(), waiter, nicsim.take_pipe(), nicsim.doorbell(), delivery,
                      signal) {}

  std::uint64_t add(Recorder& recorder) {
    std::uint64_t cookie = 0;
    return notifications.add_handler(recorder.handler(), &cookie) == VMMC_OK ? cookie : 0;
  }

  FakeNicsim nicsim;
  Waiter waiter{nicsim.channel()};
  Notifications notifications;
};

template <typename Condition>
void wait_for(Condition condition) {
  while (!condition()) ::usleep(200);
}

using platform::testing::is_asleep;

}  // namespace vmmc::internal::testing
