// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/notifications/notifications.h"

#include <pthread.h>

#include <climits>
#include <system_error>

#include "vmmc/internal/clock.h"
#include "vmmc/internal/error.h"
#include "vmmc/internal/signals_blocked.h"

namespace vmmc::internal {
namespace {

vmmc_notification describe(const wire::Notification& raw, const NotificationHandler& handler) {
  return {handler.buffer_id,
          raw.immediate,
          handler.buffer,
          static_cast<std::size_t>(raw.offset),
          static_cast<std::size_t>(raw.length),
          {raw.sender_node, raw.sender_process}};
}

}  // namespace

// ------------------------------------------------------------------------------ start and end

int Notifications::check_options(int delivery, int signal) {
  if (delivery < VMMC_DELIVER_BY_THREAD || delivery > VMMC_DELIVER_BY_DISPATCH) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "%d is no way of delivery", delivery);
  }
  return delivery == VMMC_DELIVER_BY_SIGNAL ? SignalDelivery::check(signal) : VMMC_OK;
}

Notifications::Notifications(wire::Channel& channel, Waiter& waiter, platform::FileDescriptor pipe,
                             int doorbell, vmmc_delivery delivery, int signal)
    : waiter_(waiter),
      delivery_(delivery),
      gate_(&waiter.time()),
      pipe_(std::move(pipe), &waiter.time()),
      queue_(channel, doorbell),
      signal_(pipe_.fd(), signal) {}

// Under mutex_.
int Notifications::start() {
  if (started_) return VMMC_OK;
  if (const auto error = pipe_.start()) {
    return fail_system("cannot wait for notifications", *error);
  }
  if (const int status = start_delivery(); status != VMMC_OK) return status;
  started_ = true;
  return VMMC_OK;
}

int Notifications::start_delivery() {
  switch (delivery_) {
    case VMMC_DELIVER_BY_THREAD:
      return start_thread();
    case VMMC_DELIVER_BY_SIGNAL:
      return start_signal();
    case VMMC_DELIVER_BY_DISPATCH:
      break;
  }
  if (const auto error = dispatched_.start(pipe_.fd())) {
    return fail_system("cannot make the notification descriptor", *error);
  }
  queue_.arm();
  show_ready();
  return VMMC_OK;
}

// In simulated time a thread raises the signal when nicsim has let it go on: the clock stands still
// until the handler has run.
int Notifications::start_signal() {
  const bool simulated = waiter_.time().on();
  const int status = signal_.start(
      on_signal, this, simulated ? SignalDelivery::Source::kThread : SignalDelivery::Source::kPipe);
  if (status != VMMC_OK) return status;
  if (simulated) waiter_.time().on_notification(raise_if_new, this);
  deliver_here();  // arms the queue
  return VMMC_OK;
}

// Real-time signals queue up: one for each notification at most.
void Notifications::raise_if_new(void* self) {
  auto& notifications = *static_cast<Notifications*>(self);
  const std::uint64_t produced = notifications.queue_.produced();
  if (notifications.raised_for_.exchange(produced, std::memory_order_relaxed) == produced) return;
  notifications.signal_.raise();
}

int Notifications::start_thread() {
  const SignalsBlocked blocked;
  SimulatedTime& time = waiter_.time();
  const int context = time.on() ? time.claim() : 0;
  try {
    thread_ = std::thread([this, &time, context] {
      if (time.on()) time.adopt(context);
      run_thread();
    });
  } catch (const std::system_error& error) {
    if (time.on()) time.release(context);
    return fail_system("cannot start the notification thread",
                       {"pthread_create", error.code().value()});
  }
  ::pthread_setname_np(thread_.native_handle(), "vmmc-notify");
  // Whether its first look at the gate finds it blocked must not depend on who is faster.
  if (time.on()) time.await_first_park(context);
  return VMMC_OK;
}

void Notifications::stop() {
  gate_.block();
  if (stopping_.load(std::memory_order_relaxed)) return;
  stopping_.store(true, std::memory_order_release);
  if (thread_.joinable()) {
    pipe_.announce_end();
    thread_.join();
  }
  waiter_.time().on_notification(nullptr, nullptr);
  signal_.stop();
  drop_all();
}

void Notifications::abandon_in_child() {
  signal_.abandon();
  pipe_.abandon();
  dispatched_.abandon();
}

// ----------------------------------------------------------------------------------- handlers

int Notifications::add_handler(const NotificationHandler& handler, std::uint64_t* cookie) {
  const std::lock_guard lock(mutex_);
  if (const int status = start(); status != VMMC_OK) return status;
  const int status = table_.add(handler, cookie);
  if (status == VMMC_OK) return VMMC_OK;
  return fail(status, "a handler for buffer %u: %s", handler.buffer_id, status_sentence(status));
}

void Notifications::remove_handler(std::uint64_t cookie) {
  std::unique_lock lock(mutex_);
  table_.retire(cookie);
  lock.unlock();  // a handler that runs may add and remove others
  drop_queued(cookie);
  pipe_.announce();
  // Those that wait for it look at once: the program may be about to join their threads.
  if (waiter_.time().on()) waiter_.time().pause();
  if (gate_.running_here()) return;
  while (running_.load(std::memory_order_acquire) == cookie) gate_.await_end();
}

// ---------------------------------------------------------------------------------- the queue

// False: the calling thread holds the lock already, and sees to the queue when it lets go.
bool Notifications::lock_queue() {
  if (lock_.lock()) return true;
  deferred_.store(true, std::memory_order_relaxed);
  return false;
}

void Notifications::unlock_queue() {
  lock_.unlock();
  if (!deferred_.load(std::memory_order_relaxed)) return;
  if (deferred_.exchange(false, std::memory_order_relaxed)) deliver();
}

// Whether a handler may be called for a notification now.
NotificationQueue::Verdict Notifications::judge(std::uint64_t cookie,
                                                NotificationHandler& handler) const {
  using Verdict = NotificationQueue::Verdict;
  if (!table_.find(cookie, handler)) return Verdict::kDrop;
  // A call that does nothing would take away what the program is about to wait for.
  if (handler.handler == vmmc_no_action) return Verdict::kLeave;
  return table_.awaited(cookie) ? Verdict::kLeave : Verdict::kTake;
}

bool Notifications::take_for(std::uint64_t cookie, wire::Notification& taken) {
  using Verdict = NotificationQueue::Verdict;
  if (!lock_queue()) return false;
  const bool found = queue_.take(
      UINT64_MAX,
      [=](std::uint64_t queued) { return queued == cookie ? Verdict::kTake : Verdict::kLeave; },
      taken);
  unlock_queue();
  return found;
}

void Notifications::drop_queued(std::uint64_t cookie) {
  using Verdict = NotificationQueue::Verdict;
  wire::Notification dropped{};
  if (!lock_queue()) return;
  queue_.take(
      UINT64_MAX,
      [=](std::uint64_t queued) { return queued == cookie ? Verdict::kDrop : Verdict::kLeave; },
      dropped);
  unlock_queue();
  if (delivery_ == VMMC_DELIVER_BY_DISPATCH) show_ready();
}

void Notifications::drop_all() {
  wire::Notification dropped{};
  if (!lock_queue()) return;
  queue_.take(
      UINT64_MAX, [](std::uint64_t) { return NotificationQueue::Verdict::kDrop; }, dropped);
  unlock_queue();
}

// ----------------------------------------------------------------------------------- delivery

void Notifications::call(const NotificationHandler& handler,
                         const vmmc_notification& notification) noexcept {
  if (sends_ == nullptr || !sends_->marks()) {
    handler.handler(&notification, handler.argument);
    return;
  }
  WorkMeter& meter = sends_->meter();
  const bool ran = meter.enter_handler();
  sends_->post_mark(wire::make_mark(wire::MarkKind::kHandlerBegins));
  handler.handler(&notification, handler.argument);
  sends_->post_mark(wire::make_mark(wire::MarkKind::kHandlerEnds));
  meter.leave_handler(ran);
}

// Within the gate: runs the handler of the oldest notification before number `end` that has one.
Notifications::Found Notifications::run_next(std::uint64_t end) noexcept {
  wire::Notification raw{};
  NotificationHandler handler;
  if (!lock_queue()) return Found::kLockedOut;
  const bool found = queue_.take(
      end, [&](std::uint64_t cookie) { return judge(cookie, handler); }, raw);
  if (found) running_.store(raw.cookie, std::memory_order_relaxed);
  unlock_queue();
  if (!found) return Found::kNothing;
  const vmmc_notification notification = describe(raw, handler);
  call(handler, notification);
  running_.store(0, std::memory_order_release);
  return Found::kRan;
}

// Runs handlers until nothing is left for them.
Notifications::Outcome Notifications::run_queued() {
  const gate::Word me = DeliveryGate::this_thread();
  for (;;) {
    const DeliveryGate::Entry entry = gate_.try_enter(me);
    if (entry == DeliveryGate::Entry::kBlocked) return Outcome::kBlocked;
    if (entry == DeliveryGate::Entry::kBusy) return Outcome::kBusy;
    const Found found = run_next(UINT64_MAX);
    const bool wanted = gate_.leave();
    if (found == Found::kLockedOut) return Outcome::kQuiet;  // unlock_queue() goes on
    if (found == Found::kNothing && !wanted) return Outcome::kQuiet;
  }
}

// Delivery by signal: in the signal handler, and wherever delivery becomes possible again. When
// nothing is left, the next notification raises the signal.
Notifications::Outcome Notifications::deliver_here() {
  for (;;) {
    const std::uint64_t produced = queue_.produced();
    const Outcome outcome = run_queued();
    if (outcome != Outcome::kQuiet) return outcome;
    if (pipe_.drain()) pipe_.announce();
    if (still(produced)) return outcome;
  }
}

void Notifications::on_signal(void* self) {
  auto& notifications = *static_cast<Notifications*>(self);
  if (notifications.sends_ != nullptr && notifications.sends_->put_off()) return;
  notifications.deliver_here();
}

// What a signal had to put off.
void Notifications::go_on() {
  const SignalDelivery::Held held(signal_.signal());
  deliver_here();
}

// Delivery may have become possible.
void Notifications::deliver() {
  switch (delivery_) {
    case VMMC_DELIVER_BY_THREAD:
      pipe_.announce();
      break;
    case VMMC_DELIVER_BY_SIGNAL:
      deliver_here();
      break;
    case VMMC_DELIVER_BY_DISPATCH:
      show_ready();
      break;
  }
}

void Notifications::run_thread() {
  while (!stopping_.load(std::memory_order_acquire)) {
    const std::uint32_t news = pipe_.news();
    const std::uint64_t produced = queue_.produced();
    const bool gone = pipe_.hung_up();
    const Outcome outcome = run_queued();
    if (stopping_.load(std::memory_order_acquire)) return;
    if (outcome == Outcome::kQuiet && !gone) {
      sleep(news, produced, UINT64_MAX);
    } else {
      pipe_.sleep_for_news(news);
    }
  }
}

int Notifications::block() {
  gate_.block();
  return VMMC_OK;
}

int Notifications::unblock() {
  const DeliveryGate::Unblocked unblocked = gate_.unblock();
  if (unblocked.result == VMMC_ERR_IN_HANDLER) {
    return fail(VMMC_ERR_IN_HANDLER, "the block of a running handler cannot be undone");
  }
  if (unblocked.result <= 0) return unblocked.result;
  if (delivery_ == VMMC_DELIVER_BY_THREAD && unblocked.wanted) {
    pipe_.announce();
    // One processor: the handlers run before the program goes on.
    if (waiter_.time().on()) waiter_.time().pause();
  }
  if (delivery_ == VMMC_DELIVER_BY_SIGNAL && (unblocked.wanted || queue_.pending())) {
    const SignalDelivery::Held held(signal_.signal());
    while (deliver_here() == Outcome::kBusy) gate_.await_end();
  }
  return unblocked.result;
}

// ----------------------------------------------------------------------------------- sleeping

// The pipe may say so before the control connection does: whoever is told here has to find it so in
// his next call, too.
bool Notifications::nicsim_gone() {
  if (waiter_.nicsim_gone()) return true;
  if (!pipe_.hung_up()) return false;
  waiter_.announce_end();
  return true;
}

// Arms the queue; whether no notification has come since number `produced`.
bool Notifications::still(std::uint64_t produced) {
  queue_.arm();
  if (delivery_ == VMMC_DELIVER_BY_DISPATCH) show_ready();
  return queue_.produced() == produced;
}

void Notifications::sleep(std::uint32_t news, std::uint64_t produced, std::uint64_t timeout) {
  const auto unchanged = [=, this] { return still(produced); };
  if (delivery_ != VMMC_DELIVER_BY_SIGNAL) return pipe_.sleep(news, timeout, unchanged);
  // A handler that ran on top of the thread that watches the pipe would hold the other waits up.
  const SignalDelivery::Held held(signal_.signal());
  pipe_.sleep(news, timeout, unchanged);
}

int Notifications::wait(std::uint64_t cookie, std::uint64_t timeout,
                        vmmc_notification* notification) {
  if (gate_.running_here()) {
    return fail(VMMC_ERR_IN_HANDLER, "a handler cannot wait for notifications");
  }
  table_.begin_wait(cookie);
  const auto wait = [&] { return wait_for(cookie, timeout, notification); };
  const int status =
      sends_ == nullptr
          ? wait()
          : sends_->marked(wire::make_mark(wire::MarkKind::kWaitForNotification), wait);
  end_wait(cookie);
  if (status == VMMC_OK) return VMMC_OK;
  return fail(status, "waiting for a notification: %s", status_sentence(status));
}

int Notifications::wait_for(std::uint64_t cookie, std::uint64_t timeout,
                            vmmc_notification* notification) {
  Deadline deadline(timeout, &waiter_.time());
  for (;;) {
    const std::uint32_t news = pipe_.news();
    const std::uint64_t produced = queue_.produced();
    const bool gone = nicsim_gone();
    NotificationHandler handler;
    if (!table_.find(cookie, handler)) return VMMC_ERR_UNKNOWN_EXPORT;
    wire::Notification taken{};
    if (take_for(cookie, taken)) {
      if (notification != nullptr) *notification = describe(taken, handler);
      return VMMC_OK;
    }
    if (gone) return VMMC_ERR_NICSIM_GONE;
    const std::uint64_t remaining = deadline.remaining();
    if (remaining == 0) return VMMC_ERR_TIMEOUT;
    sleep(news, produced, remaining);
  }
}

// What was left to the wait goes to its handler: also what came for a buffer that has taken over the
// place of this one in the table meanwhile.
void Notifications::end_wait(std::uint64_t cookie) {
  table_.end_wait(cookie);
  if (!lock_queue()) return;
  const bool left = queue_.any([](std::uint64_t) { return true; });
  unlock_queue();
  if (left || delivery_ == VMMC_DELIVER_BY_DISPATCH) deliver();
}

// ----------------------------------------------------------------------------------- dispatch

// Makes the descriptor say whether there is something to dispatch, and says it.
bool Notifications::show_ready() {
  NotificationHandler handler;
  if (!lock_queue()) return true;
  const bool ready = queue_.any([&](std::uint64_t cookie) {
    return judge(cookie, handler) == NotificationQueue::Verdict::kTake;
  });
  dispatched_.set_ready(ready);
  unlock_queue();
  return ready;
}

int Notifications::descriptor() {
  if (delivery_ != VMMC_DELIVER_BY_DISPATCH) {
    return fail(VMMC_ERR_WRONG_DELIVERY, "notifications are not delivered by dispatch");
  }
  const std::lock_guard lock(mutex_);
  const int status = start();
  return status == VMMC_OK ? dispatched_.fd() : status;
}

std::uint64_t Notifications::run_at_most(std::size_t most) {
  const gate::Word me = DeliveryGate::this_thread();
  const std::uint64_t end = most == 0 ? queue_.produced() : UINT64_MAX;
  const std::uint64_t limit = most == 0 || most > INT_MAX ? INT_MAX : most;
  std::uint64_t ran = 0;
  for (; ran < limit; ++ran) {
    if (gate_.try_enter(me) != DeliveryGate::Entry::kEntered) break;
    const Found found = run_next(end);
    gate_.leave();
    if (found != Found::kRan) break;
  }
  return ran;
}

int Notifications::dispatch(std::size_t most) {
  if (delivery_ != VMMC_DELIVER_BY_DISPATCH) {
    return fail(VMMC_ERR_WRONG_DELIVERY, "notifications are not delivered by dispatch");
  }
  if (gate_.running_here()) return fail(VMMC_ERR_IN_HANDLER, "a handler cannot dispatch");
  if (dispatching_.exchange(true, std::memory_order_acquire)) return 0;
  const std::uint64_t ran = run_at_most(most);
  if (pipe_.drain()) pipe_.announce();
  const bool gone = nicsim_gone();
  queue_.arm();
  const bool left = show_ready();
  dispatching_.store(false, std::memory_order_release);
  if (ran == 0 && gone && !left) return fail_nicsim_gone();
  if (ran == 0 && waiter_.time().on()) (void)waiter_.time().now();
  return static_cast<int>(ran);
}

}  // namespace vmmc::internal

// Here, where it is known by its address.
extern "C" void vmmc_no_action(const vmmc_notification*, void*) {}
