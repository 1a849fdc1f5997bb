// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who may run a notification handler, and when: one at a time, and none while notifications are
// blocked.
//
// Threads and processes
//   Any thread and signal handlers: no lock, no memory, errno left unchanged. A signal handler that
//   interrupts any function on its own thread may call any other.
//
// Invariants: those of gate_word.h. Whoever is told that the gate was wanted looks at the queue.
//
// What a crash at any instruction leaves behind: private state only.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "platform/futex.h"
#include "vmmc/internal/notifications/gate_word.h"
#include "vmmc/internal/simulated_time.h"

namespace vmmc::internal {

class DeliveryGate {
 public:
  explicit DeliveryGate(SimulatedTime* time = nullptr) : time_(time) {}

  using Entry = gate::Entry;

  struct Unblocked {
    int result;   // as vmmc_unblock_notifications: positive, 0 or VMMC_ERR_IN_HANDLER
    bool wanted;  // now free, and somebody had tried to enter
  };

  static gate::Word this_thread() { return static_cast<gate::Word>(::gettid()); }

  // Returns when no handler runs, but for one that the calling thread is in.
  void block();
  Unblocked unblock();

  // `me` is this_thread(). After kEntered the caller may run one handler, and calls leave().
  Entry try_enter(gate::Word me);
  // True: somebody tried to enter meanwhile and went away.
  bool leave();

  // Whether the calling thread is between try_enter() and leave(), that is, in a handler.
  bool running_here() const;

  // Sleeps while a handler of another thread runs; may return before it has ended.
  void await_end();

 private:
  // Applies change(word, me); `me` is asked for only while a handler runs. What was, what is.
  struct Change {
    gate::Word before;
    gate::Word after;
    gate::Word me;
  };
  template <typename Next>
  Change change(Next next);

  void sleep(std::uint32_t ends);

  SimulatedTime* const time_;
  std::atomic<gate::Word> word_{0};
  std::atomic<std::uint32_t> ends_{0};  // of awaited handlers; a futex
};

}  // namespace vmmc::internal
