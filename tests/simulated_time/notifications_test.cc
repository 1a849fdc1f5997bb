// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Notification handlers run at simulated times: by thread, by signal, by dispatch.

#include <doctest/doctest.h>
#include <poll.h>

#include <atomic>
#include <utility>

#include "tests/simulated_time/simulated_run.h"

namespace vmmc::testing {
namespace {

constexpr std::uint64_t kMicrosecond = 1000;

struct Heard {
  std::atomic<std::uint32_t> count{0};
  std::atomic<std::uint64_t> sum{0};
  std::uint64_t clocks[64] = {};
  unsigned char* answer = nullptr;  // a word at the sender's, which the handler counts up
};

void listen(const vmmc_notification* notification, void* argument) {
  Heard& heard = *static_cast<Heard*>(argument);
  const std::uint32_t number = heard.count.load();
  if (number < std::size(heard.clocks)) heard.clocks[number] = vmmc_clock();
  EXPECT(vmmc_compute(3 * kMicrosecond) == VMMC_OK);
  heard.sum.fetch_add(notification->immediate);
  heard.count.store(number + 1);
  if (heard.answer != nullptr) send_word(number + 1, heard.answer);
}

void attach_for(vmmc_delivery delivery) {
  vmmc_init_options options = VMMC_INIT_DEFAULTS;
  options.delivery = delivery;
  EXPECT(vmmc_init(&options) == VMMC_OK);
}

using Listener = void (*)(Heard&);

// Part 1 sends `messages`, one whenever the handler has answered the last one; part 0 does what
// `listener` says until it has heard all.
constexpr std::uint32_t kMessages = 20;

Notes converse(vmmc_delivery delivery, Listener listener, std::uint64_t seed) {
  const NicsimProcess nicsim(simulated(2));
  Notebook notebook;
  const auto late = static_cast<useconds_t>(seed % 20'000);
  run_processes(nicsim,
                {[&](Part& part) {
                   attach_for(delivery);
                   Heard heard;
                   void* const memory = allocate(4096);
                   vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
                   options.handler = listen;
                   options.handler_argument = &heard;
                   const Proxy sender = import_from(1, 2);
                   heard.answer = sender.address;
                   EXPECT(vmmc_export(memory, 4096, 1, &options) == VMMC_OK);
                   listener(heard);
                   EXPECT(heard.sum.load() == std::uint64_t{kMessages} * (kMessages + 1) / 2);
                   for (std::uint32_t i = 0; i < kMessages; ++i)
                     notebook.note(part, heard.clocks[i]);
                   notebook.note(part, vmmc_clock());
                   EXPECT(vmmc_finalize() == VMMC_OK);
                 },
                 [&](Part& part) {
                   ::usleep(late);
                   attach();
                   unsigned char* const answers = export_new(4096, 2);
                   const Proxy listening = import_from(0, 1);
                   for (std::uint32_t i = 1; i <= kMessages; ++i) {
                     EXPECT(vmmc_send_notify(&i, listening.address, sizeof i, i) == VMMC_OK);
                     await(answers, i);
                   }
                   notebook.note(part, vmmc_clock());
                   EXPECT(vmmc_finalize() == VMMC_OK);
                 }});
  return notebook.read(2);
}

void check_conversation(vmmc_delivery delivery, Listener listener) {
  const Notes first = converse(delivery, listener, 0);
  for (std::uint32_t i = 1; i < kMessages; ++i) {
    CHECK(first[0][i] >= first[0][i - 1] + 3 * kMicrosecond);
  }
  const Load load(2);
  CHECK(converse(delivery, listener, 7'777) == first);
  CHECK(converse(delivery, listener, 13'131) == first);
}

void compute_in_steps(Heard& heard) {
  while (heard.count.load() < kMessages) EXPECT(vmmc_compute(500) == VMMC_OK);
}
// Much longer than everything takes: each handler ends it for a while.
void compute_once(Heard&) { EXPECT(vmmc_compute(10'000 * kMicrosecond) == VMMC_OK); }

void wait_in_vain(Heard& heard) {
  std::uint32_t word = 0;
  EXPECT(vmmc_wait_32(&word, VMMC_EQUAL, 1, VMMC_WAIT_ADAPTIVE, 10'000 * kMicrosecond) ==
         VMMC_ERR_TIMEOUT);
  EXPECT(heard.count.load() == kMessages);
}

void block_now_and_then(Heard& heard) {
  while (heard.count.load() < kMessages) {
    EXPECT(vmmc_block_notifications() == VMMC_OK);
    const std::uint32_t before = heard.count.load();
    EXPECT(vmmc_compute(100 * kMicrosecond) == VMMC_OK);
    EXPECT(heard.count.load() == before);
    EXPECT(vmmc_unblock_notifications() >= 0);
    EXPECT(vmmc_compute(20 * kMicrosecond) == VMMC_OK);
  }
}

void dispatch(Heard& heard) {
  const int descriptor = vmmc_notification_fd();
  EXPECT(descriptor >= 0);
  while (heard.count.load() < kMessages) {
    pollfd ready{descriptor, POLLIN, 0};
    EXPECT(::poll(&ready, 1, 0) >= 0);
    const int ran = vmmc_dispatch(0);
    EXPECT(ran >= 0);
    if (ran == 0) EXPECT(vmmc_compute(kMicrosecond) == VMMC_OK);
  }
}

TEST_CASE("S12.5 by thread") {
  check_conversation(VMMC_DELIVER_BY_THREAD, compute_in_steps);
  check_conversation(VMMC_DELIVER_BY_THREAD, compute_once);
  check_conversation(VMMC_DELIVER_BY_THREAD, wait_in_vain);
  check_conversation(VMMC_DELIVER_BY_THREAD, block_now_and_then);
}

TEST_CASE("S12.5 by signal") {
  check_conversation(VMMC_DELIVER_BY_SIGNAL, compute_in_steps);
  check_conversation(VMMC_DELIVER_BY_SIGNAL, compute_once);
  check_conversation(VMMC_DELIVER_BY_SIGNAL, wait_in_vain);
  check_conversation(VMMC_DELIVER_BY_SIGNAL, block_now_and_then);
}

TEST_CASE("S12.5 by dispatch") { check_conversation(VMMC_DELIVER_BY_DISPATCH, dispatch); }

TEST_CASE("S12.4 what handlers take comes on top of what the program computes") {
  for (const vmmc_delivery delivery : {VMMC_DELIVER_BY_THREAD, VMMC_DELIVER_BY_SIGNAL}) {
    CAPTURE(static_cast<int>(delivery));
    const Notes notes = converse(delivery, compute_once, 0);
    const std::uint64_t at_least = 10'000 * kMicrosecond + kMessages * 3 * kMicrosecond;
    CHECK(notes[0].back() >= at_least);
  }
}

TEST_CASE("waiting for a notification times out at its time, or gets it") {
  for (const vmmc_delivery delivery :
       {VMMC_DELIVER_BY_THREAD, VMMC_DELIVER_BY_SIGNAL, VMMC_DELIVER_BY_DISPATCH}) {
    CAPTURE(static_cast<int>(delivery));
    const NicsimProcess nicsim(simulated(2));
    run_processes(
        nicsim,
        {[=](Part&) {
           attach_for(delivery);
           void* const memory = allocate(4096);
           vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
           options.handler = vmmc_no_action;
           EXPECT(vmmc_export(memory, 4096, 1, &options) == VMMC_OK);
           vmmc_notification notification{};
           const std::uint64_t start = vmmc_clock();
           EXPECT(vmmc_wait_notification(1, 50 * kMicrosecond, &notification) == VMMC_ERR_TIMEOUT);
           const std::uint64_t end = vmmc_clock();
           EXPECT(end >= start + 50 * kMicrosecond);
           EXPECT(end <= start + 51 * kMicrosecond);
           EXPECT(vmmc_wait_notification(1, VMMC_FOREVER, &notification) == VMMC_OK);
           EXPECT(notification.immediate == 5);
           EXPECT(vmmc_clock() >= 1000 * kMicrosecond);
           EXPECT(vmmc_finalize() == VMMC_OK);
         },
         [](Part&) {
           attach();
           const Proxy listening = import_from(0, 1);
           EXPECT(vmmc_compute(1000 * kMicrosecond) == VMMC_OK);
           EXPECT(vmmc_send_notify("x", listening.address, 1, 5) == VMMC_OK);
           EXPECT(vmmc_finalize() == VMMC_OK);
         }});
  }
}

std::atomic<std::uint32_t> heard_of{0};

TEST_CASE("S12.9 a full queue holds the sender back, and for the same time on each run") {
  constexpr std::uint32_t kAll = 600;
  constexpr std::uint64_t kBlocked = 50'000 * kMicrosecond;
  const Notes notes = simulate_again_and_again(2, [](Part& part, Notebook& notebook) {
    vmmc_counters counted{};
    if (part.number() == 0) {
      vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
      options.handler = [](const vmmc_notification*, void*) { heard_of.fetch_add(1); };
      EXPECT(vmmc_block_notifications() == VMMC_OK);
      EXPECT(vmmc_export(allocate(4096), 4096, 1, &options) == VMMC_OK);
      EXPECT(vmmc_compute(kBlocked) == VMMC_OK);
      EXPECT(vmmc_get_counters(&counted) == VMMC_OK);
      EXPECT(counted.notifications_received == 512);
      EXPECT(heard_of.load() == 0);
      EXPECT(vmmc_unblock_notifications() > 0);
      while (heard_of.load() < kAll) EXPECT(vmmc_compute(100 * kMicrosecond) == VMMC_OK);
    } else {
      const Proxy listening = import_from(0, 1);
      for (std::uint32_t i = 0; i < kAll; ++i) {
        EXPECT(vmmc_send_notify(&i, listening.address, sizeof i, i) == VMMC_OK);
      }
      EXPECT(vmmc_fence() == VMMC_OK);
      EXPECT(vmmc_get_counters(&counted) == VMMC_OK);
      EXPECT(counted.notification_stalls >= 1);
      EXPECT(counted.notifications_sent == kAll);
    }
    notebook.note(part, vmmc_clock());
  });
  CHECK(notes[1].at(0) >= kBlocked);
}

}  // namespace
}  // namespace vmmc::testing
