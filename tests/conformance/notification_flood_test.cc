// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// The full queue: who waits for whom, and that nobody waits for ever.
#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "tests/conformance/notifications.h"

using namespace vmmc::testing;

namespace {

Log log_of_calls;
Log other_log;

constexpr std::uint32_t kMore = 40;  // beyond what the queue holds

// Immediates 0, 1, ... in their order.
void expect_in_order(const Log& log, std::uint32_t count) {
  EXPECT(log.calls() == count);
  for (std::uint32_t i = 0; i < count; ++i) EXPECT(log[i].immediate == i);
}

void fill(unsigned char* proxy, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) notify(i, proxy, i);
}

}  // namespace

TEST_CASE("S7.14 512 are queued; then the sender waits, with all that it sends later") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim,
                  {[way](Part& part) {
                     attach_with(way);
                     EXPECT(vmmc_block_notifications() == VMMC_OK);
                     export_with(64, 1, Log::record, &log_of_calls);
                     unsigned char* plain = export_with(64, 2, nullptr);
                     part.meet();
                     EXPECT(counters().notifications_received == kQueued);
                     part.meet();  // one more has been sent
                     await(plain + 8, 1);
                     EXPECT(look(plain) == 0);
                     EXPECT(counters().notifications_received == kQueued);
                     EXPECT(vmmc_unblock_notifications() > 0);
                     serve_until(way, [] { return log_of_calls.calls() == kQueued + kMore; });
                     await(plain, 7);
                     expect_in_order(log_of_calls, kQueued + kMore);
                   },
                   [](Part& part) {
                     attach();
                     const Proxy proxy = import_from(0, 1);
                     // What the host executor sends to other buffers does not wait.
                     const Proxy plain = import_by(VMMC_EXECUTOR_NIC, 0, 2);
                     export_with(64, 3, nullptr);
                     const Proxy own = import_by(VMMC_EXECUTOR_NIC, 1, 3);
                     fill(proxy.address, kQueued);
                     EXPECT(vmmc_fence() == VMMC_OK);
                     part.meet();
                     for (std::uint32_t i = 0; i < kMore; ++i)
                       notify(0, proxy.address, kQueued + i);
                     const std::uint32_t seven = 7;
                     vmmc_send_handle handles[3] = {};
                     EXPECT(vmmc_send_start(&seven, own.address, 4, &handles[0]) == VMMC_OK);
                     EXPECT(vmmc_send_start(&seven, plain.address, 4, &handles[1]) == VMMC_OK);
                     EXPECT(vmmc_send_start(&seven, proxy.address + 8, 4, &handles[2]) == VMMC_OK);
                     await_that([] { return counters().notification_stalls >= 1; });
                     EXPECT(vmmc_send_test(handles[0]) == VMMC_PENDING);
                     EXPECT(vmmc_send_test(handles[1]) == VMMC_PENDING);
                     EXPECT(vmmc_send_test(handles[2]) == VMMC_PENDING);
                     part.meet();
                     EXPECT(vmmc_send_wait(handles[2]) == VMMC_OK);
                     EXPECT(vmmc_send_test(handles[1]) == VMMC_OK);
                     EXPECT(vmmc_send_test(handles[0]) == VMMC_OK);
                     EXPECT(vmmc_fence() == VMMC_OK);
                     EXPECT(counters().notifications_sent == kQueued + kMore);
                   },
                   [](Part& part) {  // a third, who notifies nobody, does not wait
                     attach();
                     const Proxy plain = import_from(0, 2);
                     part.meet();
                     part.meet();
                     send_word(1, plain.address + 8);
                     EXPECT(vmmc_fence() == VMMC_OK);
                   }});
  });
}

namespace {

// Part 1 of the unexports: fills the queue by buffer 2, and stalls with a message for buffer 1 and
// one for buffer 2 behind it.
void stall_on_two_buffers(Part& part) {
  attach();
  const Proxy going = import_from(0, 1);
  const Proxy staying = import_from(0, 2);
  fill(staying.address, kQueued);
  EXPECT(vmmc_fence() == VMMC_OK);
  notify(1234, going.address, 77);
  notify(0, staying.address, kQueued);
  part.meet();
  EXPECT(vmmc_fence() == VMMC_OK);  // the unexport carried both out, in front of the handlers
  part.meet();
  EXPECT(vmmc_send_notify("late", going.address, 4, 0) == VMMC_ERR_UNEXPORTED);
  notify(0, staying.address, kQueued + 1);
  EXPECT(vmmc_fence() == VMMC_OK);
}

}  // namespace

TEST_CASE("S7.14 an unexport by one whose queue is full and blocked waits for no handler") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             EXPECT(vmmc_block_notifications() == VMMC_OK);
                             unsigned char* going = export_with(64, 1, Log::record, &log_of_calls);
                             export_with(64, 2, Log::record, &other_log);
                             part.meet();
                             EXPECT(vmmc_unexport(1) == VMMC_OK);
                             EXPECT(look(going) == 1234);  // sent before: carried out
                             EXPECT(other_log.calls() == 0);
                             part.meet();
                             EXPECT(vmmc_unblock_notifications() > 0);
                             serve_until(way, [] { return other_log.calls() == kQueued + 2; });
                             expect_in_order(other_log, kQueued + 2);
                             EXPECT(log_of_calls.calls() == 0);
                           },
                           stall_on_two_buffers});
  });
}

TEST_CASE("S7.14 an unexport of the buffer that fills the queue lets its sender go on") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             EXPECT(vmmc_block_notifications() == VMMC_OK);
                             export_with(64, 1, Log::record, &log_of_calls);
                             part.meet();
                             ::usleep(20'000);
                             EXPECT(vmmc_unexport(1) == VMMC_OK);
                             part.meet();
                             EXPECT(vmmc_unblock_notifications() > 0);
                             EXPECT(log_of_calls.calls() == 0);
                           },
                           [](Part& part) {
                             attach();
                             const Proxy proxy = import_from(0, 1);
                             part.meet();
                             int status = VMMC_OK;
                             while (status == VMMC_OK) {
                               status = vmmc_send_notify("text", proxy.address, 4, 0);
                             }
                             EXPECT(status == VMMC_ERR_UNEXPORTED);
                             const int late = vmmc_fence();
                             EXPECT(late == VMMC_OK || late == VMMC_ERR_UNEXPORTED);
                             part.meet();
                           }});
  });
}

TEST_CASE("S7.14 an unexport by one whose own sends wait for room waits for no handler") {
  NicsimProcess nicsim;
  for (const bool ordinary_memory : {false, true}) {
    CAPTURE(ordinary_memory);
    run_processes(nicsim,
                  {[](Part& part) {
                     attach();
                     EXPECT(vmmc_block_notifications() == VMMC_OK);
                     export_with(64, 1, Log::record, &log_of_calls);
                     part.meet();  // the other has ended its unexport
                     await_that([] { return counters().notifications_received == kQueued; });
                     EXPECT(vmmc_unblock_notifications() > 0);
                     await_that([] { return log_of_calls.calls() == kQueued + kMore; });
                     expect_in_order(log_of_calls, kQueued + kMore);
                   },
                   [ordinary_memory](Part& part) {
                     attach();
                     static unsigned char ordinary[8192];
                     void* memory = ordinary_memory ? ordinary : allocate(8192);
                     EXPECT(export_status(memory, 8192, 2, nullptr) == VMMC_OK);
                     const Proxy proxy = import_from(0, 1);
                     fill(proxy.address, kQueued + kMore);
                     EXPECT(vmmc_unexport(2) == VMMC_OK);
                     part.meet();
                     EXPECT(vmmc_fence() == VMMC_OK);
                   }});
  }
}

namespace {

constexpr std::uint32_t kFlood = 6000;

// One of two that do nothing but notify each other.
std::function<void(Part&)> flooder(bool ends_while_full) {
  return [ends_while_full](Part& part) {
    attach();
    export_with(64, 1, Log::record, &log_of_calls);
    const Proxy other = import_from(1 - part.number(), 1);
    if (ends_while_full) EXPECT(vmmc_block_notifications() == VMMC_OK);
    part.meet();
    if (!ends_while_full) {
      fill(other.address, kFlood);
      EXPECT(vmmc_fence() == VMMC_OK);
      await_that([] { return log_of_calls.calls() == kFlood; });
      expect_in_order(log_of_calls, kFlood);
      part.meet();
      return;
    }
    fill(other.address, kQueued + kMore);
    await_that([] { return counters().notifications_received == kQueued; });
    part.meet();
    const int status = vmmc_finalize();
    // The other may have taken its buffer back first.
    EXPECT(status == VMMC_OK || status == VMMC_ERR_UNEXPORTED || status == VMMC_ERR_PEER_DEAD);
  };
}

}  // namespace

TEST_CASE("S7.14 two processes that flood each other make progress") {
  NicsimProcess nicsim;
  run_processes(nicsim, {flooder(false), flooder(false)});
}

TEST_CASE("S7.14 two that end at the same time, each with a full queue, end") {
  NicsimProcess nicsim;
  for (int round = 0; round < 10; ++round) {
    run_processes(nicsim, {flooder(true), flooder(true)});
  }
  CHECK(nicsim.terminate() == 0);
}

TEST_CASE("S7.15 when the receiver ends, in either way, a sender that waited for room goes on") {
  NicsimProcess nicsim;
  for (const bool killed : {false, true}) {
    CAPTURE(killed);
    run_processes(nicsim, {[killed](Part& part) {
                             attach();
                             EXPECT(vmmc_block_notifications() == VMMC_OK);
                             export_with(64, 1, Log::record, &log_of_calls);
                             part.meet();
                             ::usleep(20'000);
                             if (killed) part.die();
                             EXPECT(vmmc_finalize() == VMMC_OK);
                           },
                           [](Part& part) {
                             attach();
                             const Proxy proxy = import_from(0, 1);
                             unsigned char* own = export_with(64, 2, nullptr);
                             const Proxy to_self = import_from(1, 2);
                             part.meet();
                             int status = VMMC_OK;
                             while (status == VMMC_OK) {
                               status = vmmc_send_notify("text", proxy.address, 4, 0);
                             }
                             EXPECT(status == VMMC_ERR_UNEXPORTED || status == VMMC_ERR_PEER_DEAD);
                             (void)vmmc_fence();  // of those that were on their way
                             send_word(5, to_self.address);
                             EXPECT(vmmc_fence() == VMMC_OK);
                             EXPECT(look(own) == 5);
                           }});
  }
}

TEST_CASE("S7.15 when the sender ends, in either way, what it had notified of stays queued") {
  NicsimProcess nicsim;
  for (const bool killed : {false, true}) {
    CAPTURE(killed);
    for_each_way([&](vmmc_delivery way) {
      run_processes(nicsim, {[way](Part& part) {
                               attach_with(way);
                               EXPECT(vmmc_block_notifications() == VMMC_OK);
                               export_with(64, 1, Log::record, &log_of_calls);
                               part.meet();
                               const Proxy own = import_from(0, 1);
                               await_that([&] { return part.value(0).load() == 1; });
                               EXPECT(vmmc_unblock_notifications() > 0);
                               notify(1, own.address, 200);
                               serve_until(way, [] { return log_of_calls.calls() == 201; });
                               expect_in_order(log_of_calls, 201);
                               EXPECT(log_of_calls[7].sender.process == 1);
                             },
                             [killed](Part& part) {
                               attach();
                               const Proxy proxy = import_from(0, 1);
                               fill(proxy.address, 200);
                               EXPECT(vmmc_fence() == VMMC_OK);
                               part.meet();
                               if (!killed) EXPECT(vmmc_finalize() == VMMC_OK);
                               part.value(0).store(1);
                               if (killed) part.die();
                             }});
    });
  }
}
