// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Blocking and unblocking, inside handlers and outside.
#include <doctest/doctest.h>
#include <signal.h>

#include <thread>

#include "tests/conformance/notifications.h"

using namespace vmmc::testing;

namespace {

Log log_of_calls;

bool has_calls(std::uint32_t calls) { return log_of_calls.calls() == calls; }

// Part 1: notifies buffer 1 of part 0 `counts` times, each time after one meeting and before the
// next: then the notifications are queued.
std::function<void(Part&)> sender_of(std::vector<std::uint32_t> counts) {
  return [counts = std::move(counts)](Part& part) {
    attach();
    const Proxy proxy = import_from(0, 1);
    std::uint32_t sent = 0;
    for (const std::uint32_t count : counts) {
      part.meet();
      for (std::uint32_t i = 0; i < count; ++i, ++sent) notify(sent, proxy.address, sent);
      EXPECT(vmmc_fence() == VMMC_OK);
      part.meet();
    }
  };
}

void let_send(Part& part) {
  part.meet();
  part.meet();
}

// With another delivery handlers run by themselves; a short while would show it.
void expect_no_call(vmmc_delivery way, std::uint32_t calls) {
  if (way == VMMC_DELIVER_BY_DISPATCH) EXPECT(vmmc_dispatch(0) == 0);
  ::usleep(2'000);
  EXPECT(log_of_calls.calls() == calls);
}

}  // namespace

TEST_CASE("S7.5 while blocked they are queued, and delivered in order after unblocking") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             export_with(64, 1, Log::record, &log_of_calls);
                             export_with(64, 2, Log::record, &log_of_calls);
                             EXPECT(vmmc_block_notifications() == VMMC_OK);
                             let_send(part);
                             const Proxy own = import_from(0, 2);
                             notify(1, own.address, 300);
                             EXPECT(vmmc_fence() == VMMC_OK);
                             EXPECT(counters().notifications_received == 301);
                             expect_no_call(way, 0);
                             EXPECT(vmmc_unblock_notifications() > 0);
                             if (way == VMMC_DELIVER_BY_SIGNAL) EXPECT(has_calls(301));
                             serve_until(way, [] { return has_calls(301); });
                             for (std::uint32_t i = 0; i < 301; ++i)
                               EXPECT(log_of_calls[i].immediate == i);
                             let_send(part);
                             serve_until(way, [] { return has_calls(311); });
                           },
                           sender_of({300, 10})});
  });
}

TEST_CASE("S7.6 S7.7 blocks are counted; at zero unblocking says so and does nothing") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             export_with(64, 1, Log::record, &log_of_calls);
                             EXPECT(vmmc_unblock_notifications() > 0);
                             for (int i = 0; i < 1000; ++i) {
                               EXPECT(vmmc_block_notifications() == VMMC_OK);
                             }
                             let_send(part);
                             for (int i = 0; i < 999; ++i) {
                               EXPECT(vmmc_unblock_notifications() == 0);
                             }
                             expect_no_call(way, 0);
                             EXPECT(vmmc_unblock_notifications() > 0);
                             EXPECT(vmmc_unblock_notifications() > 0);
                             serve_until(way, [] { return has_calls(3); });
                             // Unblocking too often has left no debt.
                             EXPECT(vmmc_block_notifications() == VMMC_OK);
                             let_send(part);
                             expect_no_call(way, 3);
                             while (vmmc_unblock_notifications() == 0) {
                             }
                             serve_until(way, [] { return has_calls(5); });
                           },
                           sender_of({3, 2})});
  });
}

namespace {

constexpr std::uint32_t kCalls = 3000;

std::atomic<int> in_handler{0};
std::atomic<bool> may_go_on{false};

// The first call stays until the other thread is about to block.
void stay_a_while(const vmmc_notification* notification, void* log) {
  in_handler.store(1);
  while (!may_go_on.load()) ::sched_yield();
  for (int i = 0; i < 20; ++i) ::sched_yield();
  Log::record(notification, log);
  in_handler.store(0);
}

void mask_signal(int how) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGRTMIN + 2);
  EXPECT(::pthread_sigmask(how, &set, nullptr) == 0);
}

// Where handlers run in a thread other than the one that blocks.
void run_handlers_elsewhere(vmmc_delivery way, std::uint32_t calls) {
  if (way == VMMC_DELIVER_BY_THREAD) return;
  mask_signal(SIG_UNBLOCK);
  serve_until(way, [=] { return log_of_calls.calls() >= calls; });
}

}  // namespace

TEST_CASE("S7.5 when blocking has returned no handler runs in another thread" *
          doctest::skip(needs_real_time())) {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             export_with(64, 1, stay_a_while, &log_of_calls);
                             mask_signal(SIG_BLOCK);
                             std::thread elsewhere(run_handlers_elsewhere, way, kCalls);
                             part.meet();
                             await_that([] { return in_handler.load() == 1; });
                             may_go_on.store(true);
                             while (!has_calls(kCalls)) {
                               EXPECT(vmmc_block_notifications() == VMMC_OK);
                               EXPECT(in_handler.load() == 0);
                               const std::uint32_t before = log_of_calls.calls();
                               for (int i = 0; i < 3; ++i) ::sched_yield();
                               EXPECT(in_handler.load() == 0);
                               EXPECT(log_of_calls.calls() == before);
                               // By signal unblocking may run handlers here: that is not elsewhere.
                               EXPECT(vmmc_unblock_notifications() > 0);
                               ::usleep(50);
                             }
                             elsewhere.join();
                             part.meet();
                           },
                           sender_of({kCalls})});
  });
}

namespace {

// What both calls return in a handler, and that handlers do not nest.
void block_inside(const vmmc_notification* notification, void* log) {
  const Log::Running running;
  EXPECT(vmmc_unblock_notifications() == VMMC_ERR_IN_HANDLER);
  EXPECT(*vmmc_last_error() != '\0');
  EXPECT(vmmc_block_notifications() == VMMC_OK);
  EXPECT(vmmc_block_notifications() == VMMC_OK);
  EXPECT(vmmc_unblock_notifications() == 0);
  EXPECT(vmmc_unblock_notifications() == 0);
  EXPECT(vmmc_unblock_notifications() == VMMC_ERR_IN_HANDLER);
  EXPECT(vmmc_unblock_notifications() == VMMC_ERR_IN_HANDLER);
  static_cast<Log*>(log)->add(*notification);
}

// The first call leaves two blocks behind.
void leave_blocked(const vmmc_notification* notification, void* log) {
  const Log::Running running;
  if (notification->immediate == 0) {
    for (int i = 0; i < 3; ++i) EXPECT(vmmc_block_notifications() == VMMC_OK);
    EXPECT(vmmc_unblock_notifications() == 0);
  }
  static_cast<Log*>(log)->add(*notification);
}

}  // namespace

TEST_CASE("S7.8 a handler's own block cannot be undone, and handlers never nest") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             export_with(64, 1, block_inside, &log_of_calls);
                             let_send(part);
                             serve_until(way, [] { return has_calls(400); });
                             EXPECT(vmmc_unblock_notifications() > 0);
                           },
                           sender_of({400})});
  });
}

TEST_CASE("S7.8 a handler that blocks more often than it unblocks leaves the process blocked") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             export_with(64, 1, leave_blocked, &log_of_calls);
                             let_send(part);
                             serve_until(way, [] { return has_calls(1); });
                             expect_no_call(way, 1);
                             EXPECT(vmmc_unblock_notifications() == 0);
                             expect_no_call(way, 1);
                             EXPECT(vmmc_unblock_notifications() > 0);
                             serve_until(way, [] { return has_calls(20); });
                           },
                           sender_of({20})});
  });
}
