// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The notifications of one attachment: from the queue that nicsim fills to the handlers of the
// exported buffers and to threads that wait.
//
// Threads and processes
//   Any thread. block(), unblock() and the deliveries also in a handler that runs as a signal
//   handler, and there after any instruction of theirs. add_handler() and remove_handler(): any
//   thread, not in a signal handler. stop(): while no other call is made.
//
//   Who looks at the queue holds lock_ for some tens of instructions and never while a handler runs.
//   A signal handler that interrupted the holder leaves its work to it (deferred_).
//
// Invariants
//   Each notification is taken by exactly one: a handler's call, a wait, or the end of its buffer;
//   those of a buffer whose handler is vmmc_no_action by a wait or the end.
//   None is left behind while notifications are not blocked: whoever makes delivery possible again
//   (a handler's end, an unblock, the end of a wait) sees to those that were queued meanwhile.
//   Nobody sleeps who has not armed the queue and looked again.
//
// What a crash at any instruction leaves behind: private state; nicsim gives the channel up.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>

#include "nicsim/wire/channel.h"
#include "platform/file_descriptor.h"
#include "vmmc/internal/notifications/delivery_gate.h"
#include "vmmc/internal/notifications/dispatch_descriptor.h"
#include "vmmc/internal/notifications/handler_table.h"
#include "vmmc/internal/notifications/news_pipe.h"
#include "vmmc/internal/notifications/notification_queue.h"
#include "vmmc/internal/notifications/signal_delivery.h"
#include "vmmc/internal/owned_spin_lock.h"
#include "vmmc/internal/send_queue.h"
#include "vmmc/internal/waiter.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class Notifications {
 public:
  // VMMC_OK if vmmc_init may be given these; VMMC_ERR_INVALID_ARGUMENT with its sentence.
  static int check_options(int delivery, int signal);

  // `pipe`: the reading end of the notification pipe, which does not block. `doorbell`: an eventfd
  // that stays open. `delivery` and `signal` have passed check_options().
  Notifications(wire::Channel& channel, Waiter& waiter, platform::FileDescriptor pipe, int doorbell,
                vmmc_delivery delivery, int signal);
  ~Notifications() { stop(); }
  Notifications(const Notifications&) = delete;
  Notifications& operator=(const Notifications&) = delete;

  // For the export of a buffer with a handler: the cookie to give to nicsim. The first one starts
  // delivery. VMMC_ERR_TOO_MANY_EXPORTS, VMMC_ERR_OUT_OF_MEMORY, VMMC_ERR_SYSTEM,
  // VMMC_ERR_INVALID_ARGUMENT (the program has a handler for the signal).
  int add_handler(const NotificationHandler& handler, std::uint64_t* cookie);

  // When it returns the handler does not run and will not, unless it is called from within that
  // handler. What was queued for it is dropped, waits for it end. Waits for the handler: the caller
  // holds no lock that a handler may need.
  void remove_handler(std::uint64_t cookie);

  // As the functions of vmmc/notification.h, with the sentence of a failure.
  int block();
  int unblock();
  int wait(std::uint64_t cookie, std::uint64_t timeout, vmmc_notification* notification);
  int descriptor();
  int dispatch(std::size_t most);

  // By signal: a handler may send, so none starts above a send of its thread that holds the queue; it
  // starts when that has released it. Before the first handler is added.
  void keep_off(SendQueue& sends) {
    sends_ = &sends;
    sends.set_resume([](void* self) { static_cast<Notifications*>(self)->go_on(); }, this);
  }

  // nicsim has gone, and Waiter::nicsim_gone() says so: wakes whoever waits.
  void announce_end() { pipe_.announce(); }

  // Whether the calling thread is in a handler.
  bool in_handler() const { return gate_.running_here(); }

  // No handler runs afterwards, and what is queued is dropped; the thread has ended, the signal is
  // the program's again. For ever.
  void stop();

  // In a forked child: closes its copies of the descriptors and lets go of the signal. The object is
  // not used any more and never destroyed.
  void abandon_in_child();

 private:
  enum class Found { kRan, kNothing, kLockedOut };
  enum class Outcome { kQuiet, kBlocked, kBusy };

  int start();
  int start_delivery();
  int start_thread();
  int start_signal();
  void run_thread();
  static void on_signal(void* self);
  static void raise_if_new(void* self);
  void go_on();

  bool lock_queue();
  void unlock_queue();
  NotificationQueue::Verdict judge(std::uint64_t cookie, NotificationHandler& handler) const;
  bool take_for(std::uint64_t cookie, wire::Notification& taken);
  void drop_queued(std::uint64_t cookie);
  void drop_all();

  Found run_next(std::uint64_t end) noexcept;
  void call(const NotificationHandler& handler, const vmmc_notification& notification) noexcept;
  Outcome run_queued();
  Outcome deliver_here();
  void deliver();
  std::uint64_t run_at_most(std::size_t most);

  bool still(std::uint64_t produced);
  void sleep(std::uint32_t news, std::uint64_t produced, std::uint64_t timeout);
  bool show_ready();
  int wait_for(std::uint64_t cookie, std::uint64_t timeout, vmmc_notification* notification);
  void end_wait(std::uint64_t cookie);

  bool nicsim_gone();

  Waiter& waiter_;
  const vmmc_delivery delivery_;
  HandlerTable table_;
  DeliveryGate gate_;
  NewsPipe pipe_;

  OwnedSpinLock lock_;
  NotificationQueue queue_;                // taken from under lock_
  DispatchDescriptor dispatched_;          // set under lock_
  std::atomic<std::uint64_t> running_{0};  // cookie of the running handler; set under lock_
  std::atomic<bool> deferred_{false};      // somebody was locked out
  std::atomic<std::uint64_t> raised_for_{
      0};  // notifications that there were at the last raise_if_new()

  SendQueue* sends_ = nullptr;  // see keep_off()

  std::mutex mutex_;  // for what follows, and for changes of table_
  bool started_ = false;
  SignalDelivery signal_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> dispatching_{false};
};

}  // namespace vmmc::internal
