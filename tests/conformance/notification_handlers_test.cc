// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// What a handler may do, and what becomes of it when others end.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <thread>

#include "tests/conformance/notifications.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint32_t kRounds = 200;
constexpr std::size_t kMuch = 100'000;

std::atomic<std::uint32_t> calls{0};

bool has_calls(std::uint32_t count) { return calls.load() == count; }

unsigned char byte_of(std::uint32_t round, std::size_t i) {
  return static_cast<unsigned char>(round * 5 + i * 3 + 1);
}

// -------------------------------------------------------------------------- sends in a handler

// The client's buffer: what the handler fetches, counts, and answers.
struct Client {
  std::uint64_t operand;  // fetched
  std::uint64_t answer;   // sent: operand + 1
  std::uint32_t counted;  // fetch_add_32
  std::uint32_t claimed;  // compare_swap_32, from round to round + 1
  std::uint64_t swapped;  // swap_64
  std::uint64_t started;  // vmmc_send_start
  unsigned char much[kMuch];
};
Client* client = nullptr;  // in the server: the proxy
unsigned char much[kMuch];

void serve_round(const vmmc_notification* notification, void*) {
  const Log::Running running;
  const std::uint32_t round = notification->immediate;
  std::uint64_t operand = 0;
  EXPECT(vmmc_fetch(&operand, &client->operand, sizeof operand) == VMMC_OK);
  EXPECT(operand == 1000 + round);
  ++operand;
  EXPECT(vmmc_send(&operand, &client->answer, sizeof operand) == VMMC_OK);
  std::uint32_t before = 0;
  EXPECT(vmmc_fetch_add_32(&client->counted, 3, &before) == VMMC_OK);
  EXPECT(before == 3 * round);
  EXPECT(vmmc_compare_swap_32(&client->claimed, round, round + 1, &before) == VMMC_OK);
  EXPECT(before == round);
  std::uint64_t previous = 0;
  EXPECT(vmmc_swap_64(&client->swapped, operand, &previous) == VMMC_OK);
  vmmc_send_handle handle = 0;
  EXPECT(vmmc_send_start(&operand, &client->started, sizeof operand, &handle) == VMMC_OK);
  EXPECT(vmmc_send_wait(handle) == VMMC_OK);
  EXPECT(vmmc_fence() == VMMC_OK);
  const std::size_t length = round % 10 == 0 ? kMuch : 1 + round * 40;
  for (std::size_t i = 0; i < length; ++i) much[i] = byte_of(round, i);
  EXPECT(vmmc_send_notify(much, client->much, length, round) == VMMC_OK);
  calls.fetch_add(1);
}

void ask(Part& part) {
  attach();
  auto* memory = reinterpret_cast<Client*>(export_with(sizeof(Client), 2, vmmc_no_action));
  const Proxy server = import_from(0, 1);
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    memory->operand = 1000 + round;
    notify(round, server.address, round);
    vmmc_notification answer{};
    EXPECT(vmmc_wait_notification(2, kPatience, &answer) == VMMC_OK);
    EXPECT(answer.immediate == round);
    EXPECT(answer.offset == offsetof(Client, much));
    EXPECT(memory->answer == 1001 + round);
    EXPECT(memory->counted == 3 * (round + 1));
    EXPECT(memory->claimed == round + 1);
    EXPECT(memory->swapped == 1001 + round);
    EXPECT(memory->started == 1001 + round);
    for (std::size_t i = 0; i < answer.length; ++i) EXPECT(memory->much[i] == byte_of(round, i));
  }
  part.meet();
}

}  // namespace

TEST_CASE("S7.9 a handler sends, notifies, fetches and does atomic operations") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             client = reinterpret_cast<Client*>(import_all_rights(1, 2).address);
                             export_with(64, 1, serve_round);
                             serve_until(way, [] { return has_calls(kRounds); });
                             part.meet();
                           },
                           ask});
  });
}

namespace {

unsigned char* peer = nullptr;  // proxy

// Both sides: answers until the count is down to zero.
void bounce(const vmmc_notification* notification, void*) {
  const Log::Running running;
  if (notification->immediate > 0) notify(0, peer, notification->immediate - 1);
  calls.fetch_add(1);
}

}  // namespace

TEST_CASE("S7.9 handlers of two processes answer each other") {
  NicsimProcess nicsim;
  constexpr std::uint32_t kBounces = 2000;
  constexpr std::uint32_t kBalls = 20;
  for_each_way([&](vmmc_delivery way) {
    const auto player = [way](Part& part) {
      attach_with(way);
      export_with(64, 1, bounce);
      peer = import_from(1 - part.number(), 1).address;
      part.meet();
      // From a handler of ours: by signal it may interrupt a send of this thread.
      const Proxy own = import_from(part.number(), 1);
      EXPECT(vmmc_block_notifications() == VMMC_OK);
      if (part.number() == 0) {
        for (std::uint32_t i = 0; i < kBalls; ++i) notify(0, own.address, kBounces - 1);
        EXPECT(vmmc_fence() == VMMC_OK);
      }
      EXPECT(vmmc_unblock_notifications() > 0);
      serve_until(way, [] { return calls.load() == kBounces / 2 * kBalls; });
      part.meet();
    };
    run_processes(nicsim, {player, player});
  });
}

// ------------------------------------------------------------------ exports inside a handler

namespace {

alignas(4096) unsigned char boxes[4][8192];

void change_exports(const vmmc_notification* notification, void*) {
  const Log::Running running;
  const std::uint32_t number = notification->immediate % 4;
  const std::uint32_t id = 100 + number;
  if (notification->immediate >= 4) EXPECT(vmmc_unexport(id) == VMMC_OK);
  EXPECT(export_status(boxes[number], sizeof boxes[number], id, vmmc_no_action) == VMMC_OK);
  calls.fetch_add(1);
}

void end_own_buffer(const vmmc_notification* notification, void*) {
  const Log::Running running;
  if (notification->immediate == 2) EXPECT(vmmc_unexport(notification->buffer_id) == VMMC_OK);
  calls.fetch_add(1);
}

}  // namespace

TEST_CASE("S7.13 a handler in a thread or in vmmc_dispatch exports and unexports") {
  NicsimProcess nicsim;
  for (const vmmc_delivery way : {VMMC_DELIVER_BY_THREAD, VMMC_DELIVER_BY_DISPATCH}) {
    CAPTURE(static_cast<int>(way));
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             export_with(64, 1, change_exports);
                             serve_until(way, [] { return has_calls(40); });
                             part.meet();
                             for (std::uint32_t i = 0; i < 4; ++i) EXPECT(look(boxes[i]) == 36 + i);
                           },
                           [](Part& part) {
                             attach();
                             const Proxy proxy = import_from(0, 1);
                             Proxy last[4];
                             for (std::uint32_t i = 0; i < 40; ++i) {
                               notify(i, proxy.address, i);
                               if (i < 36) continue;
                               // The handler's last export of it.
                               Proxy& box = last[i - 36];
                               do {
                                 box = import_from(0, 100 + i % 4);
                                 ::usleep(500);
                               } while (vmmc_send_notify(&i, box.address, 4, i) != VMMC_OK ||
                                        vmmc_fence() != VMMC_OK);
                             }
                             part.meet();
                           }});
  }
}

TEST_CASE("S7.12 a handler takes its own buffer back: the queued ones are dropped") {
  NicsimProcess nicsim;
  for (const vmmc_delivery way : {VMMC_DELIVER_BY_THREAD, VMMC_DELIVER_BY_DISPATCH}) {
    CAPTURE(static_cast<int>(way));
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             EXPECT(vmmc_block_notifications() == VMMC_OK);
                             export_with(64, 1, end_own_buffer);
                             export_with(64, 2, end_own_buffer);
                             part.meet();
                             EXPECT(vmmc_unblock_notifications() > 0);
                             serve_until(way, [] { return has_calls(4); });
                             EXPECT(vmmc_unexport(1) == VMMC_ERR_UNKNOWN_EXPORT);
                             part.meet();
                             EXPECT(has_calls(4));
                           },
                           [](Part& part) {
                             attach();
                             const Proxy going = import_from(0, 1);
                             const Proxy staying = import_from(0, 2);
                             for (std::uint32_t i = 0; i < 10; ++i) notify(i, going.address, i);
                             notify(0, staying.address, 99);
                             EXPECT(vmmc_fence() == VMMC_OK);
                             part.meet();
                             part.meet();
                           }});
  }
}

namespace {

constexpr std::size_t kPages = 32 << 20;  // so that giving it back takes a while
unsigned char pages[kPages];
std::atomic<bool> unexporting{false};

void unexport_much(const vmmc_notification*, void*) {
  unexporting = true;
  EXPECT(vmmc_unexport(1) == VMMC_OK);
  calls.fetch_add(1);
}

}  // namespace

TEST_CASE("S1.4 S7.12 the end of the process's attachment waits for a handler that unexports") {
  NicsimProcess nicsim;
  for (unsigned round = 0; round < 8; ++round) {
    run_processes(nicsim, {[round](Part&) {
                    attach();
                    EXPECT(export_status(pages, kPages, 1, nullptr) == VMMC_OK);
                    export_with(64, 2, unexport_much);
                    const Proxy own = import_from(0, 2);
                    notify(1, own.address, 1);
                    await_that([] { return unexporting.load(); });
                    ::usleep(500 + 4'000 * round);
                    EXPECT(vmmc_finalize() == VMMC_OK);
                    EXPECT(has_calls(1));
                  }});
  }
}

// ---------------------------------------------------------------------------- others that end

namespace {

std::atomic<std::uint64_t>* sender_is_gone = nullptr;
std::atomic<int> send_to_the_dead{0};

void outlive(const vmmc_notification* notification, void*) {
  while (sender_is_gone->load() == 0) let_time_pass();
  const auto* bytes = static_cast<unsigned char*>(notification->buffer) + notification->offset;
  for (std::size_t i = 0; i < notification->length; ++i) EXPECT(bytes[i] == byte_of(9, i));
  EXPECT(notification->sender.process == 1);
  int status = VMMC_OK;
  while (status == VMMC_OK) {  // until nicsim has heard of its end
    status = vmmc_send_notify(bytes, peer, 4, 1);
    if (status == VMMC_OK) status = vmmc_fence();
  }
  send_to_the_dead = status;
  calls.fetch_add(1);
}

}  // namespace

TEST_CASE("S7.15 a handler outlives the sender of its message") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             sender_is_gone = &part.value(0);
                             peer = import_from(1, 2).address;
                             export_with(kMuch, 1, outlive);
                             serve_until(way, [] { return has_calls(1); });
                             EXPECT(send_to_the_dead == VMMC_ERR_PEER_DEAD);
                             EXPECT(vmmc_unexport(1) == VMMC_OK);
                           },
                           [](Part& part) {
                             attach();
                             export_with(64, 2, nullptr);
                             const Proxy proxy = import_from(0, 1);
                             for (std::size_t i = 0; i < kMuch; ++i) much[i] = byte_of(9, i);
                             EXPECT(vmmc_send_notify(much, proxy.address, kMuch, 0) == VMMC_OK);
                             EXPECT(vmmc_fence() == VMMC_OK);
                             std::thread killer([&part] {
                               part.value(0).store(1);
                               part.die();
                             });
                             killer.join();
                           }});
  });
}

namespace {

std::atomic<pid_t> handlers_child{-1};

// Async-signal-safe in the child.
[[noreturn]] void be_a_child() {
  const bool refused = vmmc_block_notifications() == VMMC_ERR_FORKED &&
                       vmmc_unblock_notifications() == VMMC_ERR_FORKED &&
                       vmmc_send_notify("x", peer, 1, 0) == VMMC_ERR_FORKED &&
                       vmmc_dispatch(0) == VMMC_ERR_FORKED &&
                       vmmc_notification_fd() == VMMC_ERR_FORKED &&
                       vmmc_accept_notifications(1, 1) == VMMC_ERR_FORKED &&
                       vmmc_wait_notification(1, 0, nullptr) == VMMC_ERR_FORKED;
  ::_exit(refused ? 0 : 1);
}

void fork_inside(const vmmc_notification* notification, void*) {
  if (notification->immediate == 10) {
    const pid_t child = ::fork();
    if (child == 0) be_a_child();
    handlers_child = child;
  }
  calls.fetch_add(1);
}

void expect_success(pid_t child) {
  int status = -1;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  EXPECT(status == 0);
}

}  // namespace

TEST_CASE("S1.5 S7.13 a forked child has no notifications, its parent keeps them") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) {
                             attach_with(way);
                             export_with(64, 1, fork_inside);
                             peer = import_from(0, 1).address;
                             part.meet();
                             const pid_t child = ::fork();
                             if (child == 0) {
                               ::usleep(20'000);  // while the parent is notified
                               if (calls.load() != 0) ::_exit(2);
                               be_a_child();
                             }
                             part.meet();
                             serve_until(way, [] { return has_calls(100); });
                             expect_success(child);
                             expect_success(handlers_child);
                             EXPECT(vmmc_finalize() == VMMC_OK);
                           },
                           [](Part& part) {
                             attach();
                             const Proxy proxy = import_from(0, 1);
                             part.meet();
                             part.meet();
                             for (std::uint32_t i = 0; i < 100; ++i) notify(i, proxy.address, i);
                             EXPECT(vmmc_fence() == VMMC_OK);
                           }});
  });
}

namespace {

unsigned char* answers = nullptr;  // proxy of a buffer of this process
std::atomic<std::uint32_t> refused{0};

// Sends from the handler, which may come at any instruction of the sends below it.
void answer_while_sending(const vmmc_notification* notification, void*) {
  const std::uint32_t value = notification->immediate;
  if (vmmc_send(&value, answers, sizeof value) != VMMC_OK) refused.fetch_add(1);
  calls.fetch_add(1);
}

}  // namespace

TEST_CASE("S7.9 by signal, a send in a handler is not refused above a send of its thread") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  constexpr int kSends = 100'000;
                  attach_with(VMMC_DELIVER_BY_SIGNAL);
                  unsigned char* const answered = export_new(64, 2);
                  answers = import_from(0, 2).address;
                  export_with(64, 1, answer_while_sending);
                  const Proxy proxy = import_from(0, 1);
                  calls = 0;
                  for (std::uint32_t i = 1; i <= kSends; ++i) notify(i, proxy.address, i);
                  await(answered, kSends);
                  EXPECT(calls == kSends);
                  EXPECT(refused == 0);
                }});
}
