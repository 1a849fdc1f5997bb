// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/simulated_time.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>

#include "platform/futex.h"

namespace vmmc::internal {
namespace {

using wire::ContextState;

constexpr std::uint32_t word(ContextState state) { return static_cast<std::uint32_t>(state); }

std::atomic<std::uint64_t> attachments{0};

}  // namespace

// What a thread remembers. A handler may find it while `parked`.
struct SimulatedTime::Own {
  std::uint64_t attachment = 0;
  int context = -1;
  bool parked = false;  // also while it is outside
  bool outside = false;
};

SimulatedTime::Own& SimulatedTime::own() {
  [[gnu::tls_model("initial-exec")]] static thread_local constinit Own own;
  return own;
}

bool SimulatedTime::start(int doorbell) {
  if (::pthread_key_create(&key_, thread_ends) != 0) return false;
  doorbell_ = doorbell;
  attachment_ = attachments.fetch_add(1, std::memory_order_relaxed) + 1;
  on_ = true;
  adopt(0);  // nicsim counts it as running
  return true;
}

SimulatedTime::~SimulatedTime() {
  if (!on_) return;
  own() = {};
  ::pthread_key_delete(key_);
}

int SimulatedTime::claim() {
  for (;;) {
    for (std::uint32_t i = 0; i < wire::kTimeContexts; ++i) {
      std::uint32_t expected = word(ContextState::kFree);
      if (channel_.time_contexts[i].state.compare_exchange_strong(
              expected, word(ContextState::kRunning), std::memory_order_acq_rel)) {
        return static_cast<int>(i);
      }
    }
    if (ended_.load(std::memory_order_acquire)) return 0;
    ::sched_yield();  // until a thread ends
  }
}

void SimulatedTime::adopt(int context) {
  own() = {attachment_, context, false, false};
  (void)::pthread_setspecific(key_, this);
}

void SimulatedTime::release(int context) {
  channel_.time_contexts[context].state.store(word(ContextState::kFree), std::memory_order_release);
  ring();
}

void SimulatedTime::ring() const {
  const std::uint64_t one = 1;
  (void)!::write(doorbell_, &one, sizeof one);
}

void SimulatedTime::let_go_on(wire::TimeContext& context) {
  std::uint32_t expected = word(ContextState::kParked);
  if (context.state.compare_exchange_strong(expected, word(ContextState::kRunning))) {
    platform::futex_wake(context.state);
  }
}

void SimulatedTime::thread_ends(void* self) {
  auto& time = *static_cast<SimulatedTime*>(self);
  if (own().attachment != time.attachment_) return;
  time.release(own().context);
  own() = {};
}

void SimulatedTime::give_back() {
  if (!on_ || own().attachment != attachment_) return;
  release(own().context);
  forget();
}

// The thread's, or, above a wait that a handler has interrupted, one that is claimed.
wire::TimeContext& SimulatedTime::context_of_thread(int& claimed) {
  Own& mine = own();
  if (mine.attachment != attachment_) adopt(claim());
  if (mine.parked) return channel_.time_contexts[claimed = claim()];
  return channel_.time_contexts[mine.context];
}

void SimulatedTime::forget() { own() = {}; }

std::uint64_t SimulatedTime::park(const Park& wish) { return park_once(wish).clock; }

void SimulatedTime::compute(std::uint64_t picoseconds) {
  Park wish{.reasons = wire::kComputes, .wait = picoseconds};
  do {
    wish.wait = park_once(wish).left;
  } while (wish.wait != 0 && !ended_.load(std::memory_order_acquire));
}

void SimulatedTime::on_notification(void (*function)(void*), void* argument) {
  argument_.store(argument, std::memory_order_relaxed);
  on_notification_.store(function, std::memory_order_release);
}

SimulatedTime::Went SimulatedTime::park_once(const Park& wish) {
  const int saved = errno;
  come_back();
  const auto on_notification = on_notification_.load(std::memory_order_acquire);
  int claimed = -1;
  wire::TimeContext& context = context_of_thread(claimed);
  if (wish.word != nullptr && wish.word->load(std::memory_order_acquire) != wish.expected) {
    if (claimed >= 0) release(claimed);
    return {context.clock, wish.wait};
  }
  Own& mine = own();
  if (claimed < 0) mine.parked = true;
  context.woken.store(0, std::memory_order_relaxed);
  context.reasons = wish.reasons | (on_notification == nullptr ? 0 : wire::kWakeOnNotification);
  context.wait = wish.wait;
  context.watch_segment = wish.watch_segment;
  context.watch_offset = wish.watch_offset;
  ++context.parks;
  context.state.store(word(ContextState::kParked), std::memory_order_seq_cst);
  if (wish.word != nullptr && wish.word->load(std::memory_order_seq_cst) != wish.expected) {
    context.woken.store(1, std::memory_order_seq_cst);
  }
  ring();
  await_going_on(context);
  const Went went{context.clock, context.left};
  if (claimed < 0) {
    mine.parked = false;
  } else {
    release(claimed);
  }
  if (on_notification != nullptr) on_notification(argument_.load(std::memory_order_relaxed));
  errno = saved;
  return went;
}

void SimulatedTime::await_going_on(const wire::TimeContext& context) const {
  while (context.state.load(std::memory_order_acquire) == word(ContextState::kParked) &&
         !ended_.load(std::memory_order_seq_cst)) {
    platform::futex_wait(context.state, word(ContextState::kParked), UINT64_MAX);
  }
}

void SimulatedTime::leave() {
  if (!on_ || ended_.load(std::memory_order_acquire)) return;
  Own& mine = own();
  if (mine.attachment != attachment_) adopt(claim());
  if (mine.parked) return;  // is outside already, or a handler above a wait
  wire::TimeContext& context = channel_.time_contexts[mine.context];
  mine.parked = true;
  mine.outside = true;
  context.woken.store(0, std::memory_order_relaxed);
  context.reasons = wire::kIsOutside;
  context.wait = wire::kNoEnd;
  ++context.parks;
  context.state.store(word(ContextState::kParked), std::memory_order_seq_cst);
  ring();
}

void SimulatedTime::come_back() {
  Own& mine = own();
  if (!on_ || mine.attachment != attachment_ || !mine.outside) return;
  const int saved = errno;
  wire::TimeContext& context = channel_.time_contexts[mine.context];
  mine.outside = false;  // a handler that comes now claims a context of its own: still parked
  context.woken.store(1, std::memory_order_seq_cst);
  ring();
  await_going_on(context);
  mine.parked = false;
  if (const auto notified = on_notification_.load(std::memory_order_acquire); notified != nullptr) {
    notified(argument_.load(std::memory_order_relaxed));
  }
  errno = saved;
}

template <typename Do>
void SimulatedTime::for_each_parked(std::uint32_t reason, Do what) {
  if (!on_) return;
  for (wire::TimeContext& context : channel_.time_contexts) {
    const bool parked =
        context.state.load(std::memory_order_seq_cst) == word(ContextState::kParked);
    if (parked && (context.reasons & reason) != 0) what(context);
  }
}

void SimulatedTime::wake(std::uint32_t reason) {
  bool woken = false;
  for_each_parked(reason, [&](wire::TimeContext& context) {
    context.woken.store(1, std::memory_order_seq_cst);
    woken = true;
  });
  const int saved = errno;
  // Else nicsim finds it when this thread parks.
  const Own& mine = own();
  if (woken && (mine.attachment != attachment_ || mine.parked)) ring();
  errno = saved;
}

void SimulatedTime::wake_at_once(std::uint32_t reason) { for_each_parked(reason, let_go_on); }

void SimulatedTime::await_first_park(int context) const {
  const auto& state = channel_.time_contexts[context].state;
  while (state.load(std::memory_order_acquire) == word(ContextState::kRunning) &&
         !ended_.load(std::memory_order_acquire)) {
    ::sched_yield();
  }
}

void SimulatedTime::announce_end() {
  ended_.store(true, std::memory_order_seq_cst);
  if (!on_) return;
  for (wire::TimeContext& context : channel_.time_contexts) let_go_on(context);
}

}  // namespace vmmc::internal
