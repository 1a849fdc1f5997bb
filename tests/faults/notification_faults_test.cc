// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// kill -9 of those who notify and are notified, and of nicsim between them, at every stage.
#include <doctest/doctest.h>
#include <signal.h>

#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "tests/conformance/notifications.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint32_t kMore = 40;  // beyond what the queue holds
constexpr int kReady = 0;            // indices of Part::value
constexpr int kOver = 1;

Log log_of_calls;
std::atomic<bool> entered{false};

void never_end(const vmmc_notification*, void*) {
  entered = true;
  for (;;) ::usleep(1'000);
}

[[noreturn]] void sleep_until_killed() {
  for (;;) ::pause();
}

unsigned choose_seed() {
  const char* chosen = std::getenv("VMMC_SEED");
  const unsigned seed = chosen == nullptr
                            ? std::random_device{}()
                            : static_cast<unsigned>(std::strtoul(chosen, nullptr, 10));
  MESSAGE("VMMC_SEED=" << seed);
  return seed;
}

// -------------------------------------------------------------------------- a receiver is killed

// What the receiver is at when it dies.
using Stage = void (*)(vmmc_delivery way);

void full_and_blocked(vmmc_delivery) {
  EXPECT(vmmc_block_notifications() == VMMC_OK);
  export_with(64, 1, Log::record, &log_of_calls);
  await_that([] { return counters().notifications_received == kQueued; });
  entered = true;
  sleep_until_killed();
}

void in_a_handler(vmmc_delivery way) {
  export_with(64, 1, never_end);
  serve_until(way, [] { return false; });
}

void in_a_wait(vmmc_delivery) {
  export_with(64, 1, vmmc_no_action);
  export_with(64, 2, vmmc_no_action);
  EXPECT(vmmc_wait_notification(1, 30 * kSecond, nullptr) == VMMC_OK);
  entered = true;
  (void)vmmc_wait_notification(2, VMMC_FOREVER, nullptr);
  EXPECT(false);
}

void count(const vmmc_notification*, void* calls) {
  if (static_cast<std::atomic<int>*>(calls)->fetch_add(1) > 100) entered = true;
}

void in_handlers_that_end(vmmc_delivery way) {
  static std::atomic<int> calls{0};
  export_with(64, 1, count, &calls);
  serve_until(way, [] { return false; });
}

// Exports and unexports without end.
void at_unexport(vmmc_delivery) {
  EXPECT(vmmc_block_notifications() == VMMC_OK);
  void* memory = allocate(64);
  for (int round = 0;; ++round) {
    EXPECT(export_status(memory, 64, 1, vmmc_no_action) == VMMC_OK);
    if (round > 20) entered = true;
    ::usleep(200);
    EXPECT(vmmc_unexport(1) == VMMC_OK);
  }
}

// A thread in which no handler runs.
template <typename Body>
std::thread start_without_signals(Body body) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  EXPECT(::pthread_sigmask(SIG_BLOCK, &all, &before) == 0);
  std::thread thread(body);
  EXPECT(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
  return thread;
}

std::function<void(Part&)> doomed_receiver(vmmc_delivery way, Stage stage) {
  return [=](Part& part) {
    attach_with(way);
    std::thread executioner = start_without_signals([&part] {
      await_that([] { return entered.load(); });
      ::usleep(3'000);
      part.value(kOver).store(1);
      part.die();
    });
    stage(way);
  };
}

// Notifies until there is nobody any more, and serves itself afterwards.
void persistent_sender(Part& part) {
  attach();
  unsigned char* memory = export_with(64, 3, Log::record, &log_of_calls);
  const Proxy own = import_from(1, 3);
  int status = VMMC_OK;
  while (status != VMMC_ERR_PEER_DEAD) {
    void* proxy = nullptr;
    const vmmc_import_options options{VMMC_WRITE, VMMC_EXECUTOR_AUTO, kSecond / 100};
    status = vmmc_import(identity_of(0), 1, &options, &proxy, nullptr);
    if (status == VMMC_ERR_TIMEOUT) {
      if (part.value(kOver).load() == 1) break;  // it was killed while it exported nothing
      continue;
    }
    EXPECT(status == VMMC_OK);
    while (status == VMMC_OK) status = vmmc_send_notify("text", proxy, 4, 0);
    EXPECT(status == VMMC_ERR_PEER_DEAD || status == VMMC_ERR_UNEXPORTED);
    EXPECT(vmmc_unimport(proxy) == VMMC_OK);
  }
  (void)vmmc_fence();  // of those that were on their way
  notify(5, own.address, 6);
  EXPECT(vmmc_fence() == VMMC_OK);
  await_that([] { return log_of_calls.calls() == 1; });
  EXPECT(look(memory) == 5);
  EXPECT(vmmc_finalize() == VMMC_OK);
}

}  // namespace

TEST_CASE("a receiver killed at any stage: its sender is told and goes on") {
  NicsimProcess nicsim;
  constexpr Stage kStages[] = {full_and_blocked, in_a_handler, in_a_wait, in_handlers_that_end,
                               at_unexport};
  for_each_way([&](vmmc_delivery way) {
    for (std::size_t stage = 0; stage < std::size(kStages); ++stage) {
      CAPTURE(stage);
      run_processes(nicsim, {doomed_receiver(way, kStages[stage]), persistent_sender});
    }
  });
  CHECK(nicsim.terminate() == 0);
}

// ---------------------------------------------------------------------------- a sender is killed

namespace {

// Until nicsim has heard of the end of who exported this: what it was stalled with is then given up.
void await_end_of_exporter(const Proxy& proxy) {
  const std::uint32_t nothing = 0;
  await_that([&] {
    const int status = vmmc_send(&nothing, proxy.address, sizeof nothing);
    return (status == VMMC_OK ? vmmc_fence() : status) == VMMC_ERR_PEER_DEAD;
  });
}

}  // namespace

TEST_CASE(
    "a sender killed while it waits for room: what it was told of is delivered, others go on") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             EXPECT(vmmc_block_notifications() == VMMC_OK);
                             export_with(64, 1, Log::record, &log_of_calls);
                             part.meet();
                             await_that([&] { return part.value(kOver).load() == 1; });
                             EXPECT(vmmc_unblock_notifications() > 0);
                             part.meet();
                             serve_until(way,
                                         [] { return log_of_calls.calls() == kQueued + 1000; });
                             for (std::uint32_t i = 0; i < kQueued + 1000; ++i) {
                               EXPECT(log_of_calls[i].immediate == (i < kQueued ? i : i - kQueued));
                               EXPECT(log_of_calls[i].sender.process == (i < kQueued ? 1 : 2));
                             }
                           },
                           [](Part& part) {
                             attach();
                             export_new(64, 2);
                             const Proxy proxy = import_from(0, 1);
                             part.meet();
                             std::thread executioner([&part] {
                               await_that([] { return counters().notification_stalls >= 1; });
                               part.value(kReady).store(1);
                               part.die();
                             });
                             for (std::uint32_t i = 0;; ++i) notify(i, proxy.address, i);
                           },
                           [](Part& part) {
                             attach();
                             const Proxy proxy = import_from(0, 1);
                             const Proxy doomed = import_from(1, 2);
                             part.meet();
                             await_that([&] { return part.value(kReady).load() == 1; });
                             await_end_of_exporter(doomed);
                             part.value(kOver).store(1);
                             part.meet();
                             for (std::uint32_t i = 0; i < 1000; ++i) notify(i, proxy.address, i);
                             EXPECT(vmmc_fence() == VMMC_OK);
                           }});
  });
}

namespace {

constexpr std::size_t kLarge = 8 << 20;

std::atomic<std::uint32_t> whole{0};

void check_whole(const vmmc_notification* notification, void*) {
  EXPECT(notification->length == kLarge);
  EXPECT(notification->offset == 0);
  const auto* bytes = static_cast<unsigned char*>(notification->buffer);
  const auto value = static_cast<unsigned char>(notification->immediate);
  for (std::size_t i = 0; i < kLarge; i += 4093) EXPECT(bytes[i] == value);
  EXPECT(bytes[kLarge - 1] == value);
  whole.fetch_add(1);
}

}  // namespace

TEST_CASE("a sender killed in a long message: its receiver is told of whole messages only") {
  NicsimProcess nicsim;
  std::mt19937 random(choose_seed());
  for_each_way([&](vmmc_delivery way) {
    for (int round = 0; round < 8; ++round) {
      const unsigned delay = random() % 12'000;
      run_processes(nicsim, {[way](Part& part) {
                               attach_with(way);
                               export_with(kLarge, 1, check_whole);
                               export_with(64, 2, Log::record, &log_of_calls);
                               const Proxy own = import_from(0, 2);
                               await_that([&] { return part.value(kReady).load() == 1; });
                               EXPECT(vmmc_block_notifications() == VMMC_OK);
                               notify(1, own.address, 1);
                               EXPECT(vmmc_fence() == VMMC_OK);
                               EXPECT(vmmc_unblock_notifications() > 0);
                               serve_until(way, [] { return log_of_calls.calls() == 1; });
                               EXPECT(whole.load() <= 1);
                             },
                             [delay, round](Part& part) {
                               attach();
                               const Proxy proxy = import_from(0, 1);
                               auto* data = static_cast<unsigned char*>(allocate(kLarge));
                               std::memset(data, round + 1, kLarge);
                               std::thread executioner([&part, delay] {
                                 ::usleep(delay);
                                 part.value(kReady).store(1);
                                 part.die();
                               });
                               (void)vmmc_send_notify(data, proxy.address, kLarge,
                                                      static_cast<std::uint32_t>(round + 1));
                               executioner.join();
                             }});
    }
  });
}

// ------------------------------------------------------------------------------ nicsim is killed

namespace {

std::atomic<std::uint64_t>* parts_ready = nullptr;
std::atomic<int> last_status_in_handler{0};

void send_until_refused(const vmmc_notification*, void* proxy) {
  if (!entered.exchange(true)) parts_ready->fetch_add(1);
  int status = VMMC_OK;
  while (status == VMMC_OK) {
    status = vmmc_send_notify("text", proxy, 4, 0);
    if (status == VMMC_OK) status = vmmc_fence();
  }
  last_status_in_handler = status;
}

// Part 0 of the next case: each way to be at something when nicsim goes.
void lose_nicsim_while_blocked(Part& part, vmmc_delivery way) {
  EXPECT(vmmc_block_notifications() == VMMC_OK);
  export_with(64, 1, Log::record, &log_of_calls);
  await_that([] { return counters().notifications_received == kQueued; });
  part.value(kReady).fetch_add(1);
  EXPECT(vmmc_wait_notification(1, VMMC_FOREVER, nullptr) == VMMC_OK);
  while (vmmc_fence() == VMMC_OK) ::usleep(1'000);
  EXPECT(vmmc_unblock_notifications() > 0);
  serve_until(way, [] { return log_of_calls.calls() >= kQueued - 1; });
  if (way == VMMC_DELIVER_BY_DISPATCH) EXPECT(vmmc_dispatch(0) == VMMC_ERR_NICSIM_GONE);
  for (std::uint32_t i = 0; i < log_of_calls.calls(); ++i) {
    EXPECT(log_of_calls[i].immediate == i + 1);
  }
}

void lose_nicsim_in_a_handler(Part& part, vmmc_delivery way) {
  auto* memory = static_cast<unsigned char*>(allocate(64));
  EXPECT(export_status(memory, 64, 2, nullptr) == VMMC_OK);
  const Proxy own = import_from(0, 2);
  parts_ready = &part.value(kReady);
  export_with(64, 1, send_until_refused, own.address);
  serve_until(way, [] { return last_status_in_handler != 0; });
  EXPECT(last_status_in_handler == VMMC_ERR_NICSIM_GONE);
}

void lose_nicsim_in_a_wait(Part& part, vmmc_delivery) {
  export_with(64, 1, vmmc_no_action);
  export_with(64, 2, vmmc_no_action);
  std::thread other(
      [] { EXPECT(vmmc_wait_notification(2, VMMC_FOREVER, nullptr) == VMMC_ERR_NICSIM_GONE); });
  part.value(kReady).fetch_add(1);
  int status = VMMC_OK;
  while (status == VMMC_OK) status = vmmc_wait_notification(1, VMMC_FOREVER, nullptr);
  EXPECT(status == VMMC_ERR_NICSIM_GONE);
  other.join();
}

void lose_nicsim_at_unexport(Part& part, vmmc_delivery) {
  EXPECT(vmmc_block_notifications() == VMMC_OK);
  export_with(64, 1, Log::record, &log_of_calls);
  static unsigned char memory[64];
  int status = VMMC_OK;
  for (int round = 0; status == VMMC_OK; ++round) {
    status = export_status(memory, sizeof memory, 2, Log::record, &log_of_calls);
    if (status == VMMC_OK) status = vmmc_accept_notifications(2, round % 2);
    if (status == VMMC_OK) status = vmmc_unexport(2);
    if (round == 10) part.value(kReady).fetch_add(1);
  }
  EXPECT(status == VMMC_ERR_NICSIM_GONE);
}

using Loss = void (*)(Part& part, vmmc_delivery way);

void lose_nicsim(const NicsimProcess& nicsim, vmmc_delivery way, Loss loss) {
  run_processes(nicsim, {[=](Part& part) {
                           attach_with(way);
                           loss(part, way);
                           EXPECT(vmmc_finalize() == VMMC_ERR_NICSIM_GONE);
                         },
                         [](Part& part) {
                           attach();
                           const Proxy proxy = import_from(0, 1);
                           int status = VMMC_OK;
                           for (std::uint32_t i = 0; status == VMMC_OK; ++i) {
                             status = vmmc_send_notify(&i, proxy.address, 4, i);
                             if (i == 100) part.value(kReady).fetch_add(1);
                           }
                           EXPECT(status == VMMC_ERR_NICSIM_GONE);
                           EXPECT(vmmc_finalize() == VMMC_ERR_NICSIM_GONE);
                         },
                         [pid = nicsim.pid()](Part& part) {
                           await_that([&] { return part.value(kReady).load() >= 2; });
                           ::usleep(10'000);
                           EXPECT(::kill(pid, SIGKILL) == 0);
                         }});
}

}  // namespace

TEST_CASE(
    "nicsim killed at any stage: sender and receiver are told, what was queued is delivered") {
  constexpr Loss kLosses[] = {lose_nicsim_while_blocked, lose_nicsim_in_a_handler,
                              lose_nicsim_in_a_wait, lose_nicsim_at_unexport};
  for_each_way([&](vmmc_delivery way) {
    for (std::size_t loss = 0; loss < std::size(kLosses); ++loss) {
      CAPTURE(loss);
      NicsimProcess nicsim;
      lose_nicsim(nicsim, way, kLosses[loss]);
    }
  });
}

TEST_CASE("nicsim killed: the descriptor becomes readable, and vmmc_dispatch says why") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach_with(VMMC_DELIVER_BY_DISPATCH);
                           export_with(64, 1, vmmc_no_action);
                           EXPECT(vmmc_dispatch(0) == 0);
                           EXPECT(!is_dispatchable());
                           part.meet();
                           await_dispatchable();
                           EXPECT(vmmc_dispatch(0) == VMMC_ERR_NICSIM_GONE);
                           EXPECT(vmmc_dispatch(1) == VMMC_ERR_NICSIM_GONE);
                           EXPECT(is_dispatchable());
                           EXPECT(vmmc_finalize() == VMMC_ERR_NICSIM_GONE);
                         },
                         [pid = nicsim.pid()](Part& part) {
                           part.meet();
                           ::usleep(10'000);
                           EXPECT(::kill(pid, SIGKILL) == 0);
                         }});
}
