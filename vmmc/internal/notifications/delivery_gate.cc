// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/notifications/delivery_gate.h"

namespace vmmc::internal {

// Writes the word also when it stays the same: who changes it next sees all that the caller had
// seen.
template <typename Next>
DeliveryGate::Change DeliveryGate::change(Next next) {
  Change made{word_.load(std::memory_order_relaxed), 0, 0};
  do {
    if (made.me == 0 && gate::runner(made.before) != 0) made.me = this_thread();
    made.after = next(made.before, made.me);
  } while (!word_.compare_exchange_weak(made.before, made.after, std::memory_order_seq_cst,
                                        std::memory_order_relaxed));
  return made;
}

// In simulated time the handler goes on only while this thread is parked.
void DeliveryGate::sleep(std::uint32_t ends) {
  if (time_ != nullptr && time_->on()) return time_->pause();
  platform::futex_wait(ends_, ends, UINT64_MAX);
}

void DeliveryGate::block() {
  std::uint32_t ends = ends_.load(std::memory_order_acquire);
  Change made = change(gate::after_block);
  while (gate::runs_elsewhere(made.after, made.me)) {
    sleep(ends);
    ends = ends_.load(std::memory_order_acquire);
    made = change(gate::after_await);
  }
}

DeliveryGate::Unblocked DeliveryGate::unblock() {
  const Change made = change([](gate::Word word, gate::Word) { return gate::after_unblock(word); });
  return {gate::unblock_result(made.before, made.me), gate::told(made.before, made.after)};
}

DeliveryGate::Entry DeliveryGate::try_enter(gate::Word me) {
  return gate::entry_result(
      change([me](gate::Word word, gate::Word) { return gate::after_enter(word, me); }).before);
}

bool DeliveryGate::leave() {
  const Change made = change([](gate::Word word, gate::Word) { return gate::after_leave(word); });
  if ((made.before & gate::kAwaited) != 0) {
    ends_.fetch_add(1, std::memory_order_release);
    platform::futex_wake(ends_);
  }
  return gate::told(made.before, made.after);
}

bool DeliveryGate::running_here() const {
  const gate::Word runner = gate::runner(word_.load(std::memory_order_acquire));
  return runner != 0 && runner == this_thread();
}

void DeliveryGate::await_end() {
  const std::uint32_t ends = ends_.load(std::memory_order_acquire);
  const Change made = change(gate::after_await);
  if (gate::runs_elsewhere(made.after, made.me)) sleep(ends);
}

}  // namespace vmmc::internal
