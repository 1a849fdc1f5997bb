// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// What the owner of a buffer does with its notifications: accepts and discards them, waits for
// them, takes the buffer back, redirects it.
#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "tests/conformance/notifications.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint64_t kNever = VMMC_FOREVER;

Log log_of_calls;
Log other_log;

// Part 1: does each of `steps` after one meeting and before the next, with the proxies of buffers 1
// and 2 of part 0; then it has been delivered, and what it notifies of is queued.
using Step = void (*)(unsigned char* first, unsigned char* second);
std::function<void(Part&)> sender_that(std::vector<Step> steps,
                                       vmmc_executor first_by = VMMC_EXECUTOR_AUTO) {
  return [steps = std::move(steps), first_by](Part& part) {
    attach();
    const Proxy first = import_by(first_by, 0, 1);
    const Proxy second = import_from(0, 2);
    for (const Step step : steps) {
      part.meet();
      step(first.address, second.address);
      EXPECT(vmmc_fence() == VMMC_OK);
      part.meet();
    }
  };
}

void let_send(Part& part) {
  part.meet();
  part.meet();
}

void one_each(unsigned char* first, unsigned char* second) {
  notify(1, first, 10);
  notify(2, second, 20);
}

}  // namespace

TEST_CASE("S7.10 discarded are those that arrive meanwhile, of this buffer; the bytes arrive") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             unsigned char* memory = export_with(64, 1, Log::record, &log_of_calls);
                             export_with(64, 2, Log::record, &log_of_calls);
                             EXPECT(vmmc_block_notifications() == VMMC_OK);
                             let_send(part);
                             EXPECT(vmmc_accept_notifications(1, 0) == VMMC_OK);
                             EXPECT(vmmc_accept_notifications(1, 0) == VMMC_OK);
                             let_send(part);
                             EXPECT(look(memory) == 3);
                             EXPECT(counters().notifications_discarded == 1);
                             EXPECT(vmmc_accept_notifications(1, 1) == VMMC_OK);
                             let_send(part);
                             EXPECT(vmmc_unblock_notifications() > 0);
                             serve_until(way, [] { return log_of_calls.calls() == 5; });
                             const std::uint32_t due[] = {10, 20, 40, 10, 20};
                             for (int i = 0; i < 5; ++i)
                               EXPECT(log_of_calls[i].immediate == due[i]);
                             EXPECT(counters().notifications_received == 5);
                           },
                           sender_that({one_each,
                                        [](unsigned char* first, unsigned char* second) {
                                          notify(3, first, 30);
                                          notify(4, second, 40);
                                        },
                                        one_each})});
  });
}

TEST_CASE("S7.11 a wait takes the notification instead of the handler, also while blocked") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim,
                  {[way](Part& part) {
                     attach_with(way);
                     unsigned char* memory = export_with(64, 1, vmmc_no_action);
                     export_with(64, 2, Log::record, &log_of_calls);
                     vmmc_notification taken{};
                     EXPECT(vmmc_wait_notification(1, 0, &taken) == VMMC_ERR_TIMEOUT);
                     EXPECT(vmmc_wait_notification(1, 5'000'000, nullptr) == VMMC_ERR_TIMEOUT);
                     EXPECT(vmmc_block_notifications() == VMMC_OK);
                     let_send(part);
                     EXPECT(vmmc_wait_notification(1, kNever, &taken) == VMMC_OK);
                     EXPECT(taken.buffer_id == 1);
                     EXPECT(taken.immediate == 5);
                     EXPECT(taken.buffer == memory);
                     EXPECT(taken.offset == 4);
                     EXPECT(taken.length == 4);
                     EXPECT(taken.sender.node == 1);
                     EXPECT(taken.sender.process == 1);
                     EXPECT(look(memory + 4) == 105);
                     EXPECT(vmmc_wait_notification(1, kNever, nullptr) == VMMC_OK);
                     EXPECT(vmmc_wait_notification(2, kNever, &taken) == VMMC_OK);
                     EXPECT(taken.immediate == 6);
                     EXPECT(vmmc_wait_notification(1, 0, &taken) == VMMC_ERR_TIMEOUT);
                     EXPECT(vmmc_unblock_notifications() > 0);
                     serve_until(way, [] { return log_of_calls.calls() == 1; });
                     EXPECT(log_of_calls[0].immediate == 8);
                   },
                   sender_that({[](unsigned char* first, unsigned char* second) {
                     notify(105, first + 4, 5);
                     notify(106, second, 6);
                     notify(107, first, 7);
                     notify(108, second, 8);
                   }})});
  });
}

namespace {

// Threads that take the notifications of one buffer, while handlers run for another's.
void take(std::uint32_t buffer_id, std::uint32_t* last, std::uint32_t* count) {
  for (;;) {
    vmmc_notification taken{};
    EXPECT(vmmc_wait_notification(buffer_id, kNever, &taken) == VMMC_OK);
    EXPECT(taken.buffer_id == buffer_id);
    EXPECT(*count == 0 || taken.immediate > *last);
    *last = taken.immediate;
    if (taken.immediate >= 1000) return;
    ++*count;
  }
}

}  // namespace

TEST_CASE("S7.11 S7.4 threads that wait share what comes; other buffers' handlers go on") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             export_with(64, 1, vmmc_no_action);
                             export_with(64, 2, Log::record, &log_of_calls);
                             std::uint32_t last[3] = {};
                             std::uint32_t count[3] = {};
                             std::vector<std::thread> threads;
                             for (int i = 0; i < 3; ++i) {
                               threads.emplace_back(take, 1, &last[i], &count[i]);
                             }
                             part.meet();
                             serve_until(way, [] { return log_of_calls.calls() == 1000; });
                             for (std::thread& thread : threads) thread.join();
                             part.meet();
                             EXPECT(count[0] + count[1] + count[2] == 1000);
                           },
                           sender_that({[](unsigned char* first, unsigned char* second) {
                             for (std::uint32_t i = 0; i < 1000; ++i) {
                               notify(i, first, i);
                               notify(i, second, i);
                             }
                             for (std::uint32_t i = 0; i < 3; ++i) notify(i, first, 1000 + i);
                           }})});
  });
}

namespace {

std::atomic<bool> entered{false};
std::atomic<bool> may_end{false};
std::atomic<bool> ended{false};

void run_long(const vmmc_notification*, void*) {
  entered = true;
  while (!may_end.load()) ::usleep(100);
  ended = true;
}

// By signal: in a thread of its own, as the other threads of the part have not the signal blocked.
std::thread run_handlers(vmmc_delivery way) {
  return std::thread([way] { serve_until(way, [] { return ended.load(); }); });
}

}  // namespace

TEST_CASE("S7.12 after the unexport its queued notifications are dropped, others' stay") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim,
                  {[way](Part& part) {
                     attach_with(way);
                     unsigned char* memory = export_with(64, 1, Log::record, &log_of_calls);
                     export_with(64, 2, Log::record, &other_log);
                     EXPECT(vmmc_block_notifications() == VMMC_OK);
                     let_send(part);
                     EXPECT(vmmc_unexport(1) == VMMC_OK);
                     EXPECT(vmmc_wait_notification(1, 0, nullptr) == VMMC_ERR_UNKNOWN_EXPORT);
                     // A new buffer under the old name has none of the old one's.
                     EXPECT(export_status(memory, 64, 1, Log::record, &log_of_calls) == VMMC_OK);
                     EXPECT(vmmc_wait_notification(1, 0, nullptr) == VMMC_ERR_TIMEOUT);
                     EXPECT(vmmc_unblock_notifications() > 0);
                     serve_until(way, [] { return other_log.calls() == 100; });
                     for (std::uint32_t i = 0; i < 100; ++i) EXPECT(other_log[i].immediate == i);
                     EXPECT(log_of_calls.calls() == 0);
                   },
                   sender_that({[](unsigned char* first, unsigned char* second) {
                     for (std::uint32_t i = 0; i < 100; ++i) {
                       notify(i, first, i);
                       notify(i, second, i);
                     }
                   }})});
  });
}

TEST_CASE("S7.12 an unexport waits for the handler that runs in another thread" *
          doctest::skip(needs_real_time())) {
  NicsimProcess nicsim;
  for (const vmmc_delivery way : {VMMC_DELIVER_BY_THREAD, VMMC_DELIVER_BY_DISPATCH}) {
    CAPTURE(static_cast<int>(way));
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             export_with(64, 1, run_long);
                             export_with(64, 2, Log::record, &other_log);
                             std::thread handlers = run_handlers(way);
                             let_send(part);
                             await_that([] { return entered.load(); });
                             std::thread releaser([] {
                               ::usleep(20'000);
                               EXPECT(!ended.load());
                               may_end = true;
                             });
                             EXPECT(vmmc_unexport(1) == VMMC_OK);
                             EXPECT(ended.load());
                             releaser.join();
                             handlers.join();
                             serve_until(way, [] { return other_log.calls() == 1; });
                           },
                           sender_that({one_each})});
  }
}

TEST_CASE("S7.12 a wait ends when its buffer is taken back") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part&) {
                    attach_with(way);
                    export_with(64, 1, vmmc_no_action);
                    std::thread waits([] {
                      EXPECT(vmmc_wait_notification(1, kNever, nullptr) == VMMC_ERR_UNKNOWN_EXPORT);
                    });
                    ::usleep(20'000);
                    EXPECT(vmmc_unexport(1) == VMMC_OK);
                    waits.join();
                  }});
  });
}

TEST_CASE("S9.7 a notification names the place in the buffer, wherever the bytes went") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(
        nicsim,
        {[way](Part& part) {
           attach_with(way);
           static unsigned char elsewhere[8192];
           vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
           options.handler = Log::record;
           options.handler_argument = &log_of_calls;
           options.redirectable = 1;
           auto* memory = static_cast<unsigned char*>(allocate(8192));
           EXPECT(vmmc_export(memory, 8192, 1, &options) == VMMC_OK);
           export_with(64, 2, vmmc_no_action);
           EXPECT(vmmc_redirect(1, 1000, 2000, elsewhere + 1, nullptr) == VMMC_OK);
           let_send(part);
           serve_until(way, [] { return log_of_calls.calls() == 2; });
           EXPECT(log_of_calls[0].offset == 1100);
           EXPECT(log_of_calls[0].length == 4);
           EXPECT(log_of_calls[0].buffer == memory);
           EXPECT(log_of_calls[1].offset == 2900);
           EXPECT(log_of_calls[1].length == 300);  // half in, half out
           EXPECT(elsewhere[101] == 77);
           EXPECT(memory[1100] == 0);
           EXPECT(elsewhere[1 + 1999] == 9);
           EXPECT(memory[3000] == 9);
           EXPECT(memory[2999] == 0);
         },
         sender_that({[](unsigned char* first, unsigned char*) {
                       notify(77, first + 1100, 1);
                       const std::vector<unsigned char> nines(300, 9);
                       EXPECT(vmmc_send_notify(nines.data(), first + 2900, 300, 2) == VMMC_OK);
                     }},
                     VMMC_EXECUTOR_NIC)});
  });
}
