// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Which messages notify whom, of what, and in whose thread.
#include <doctest/doctest.h>
#include <signal.h>

#include <thread>
#include <vector>

#include "tests/conformance/notifications.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint32_t kEnd = UINT32_MAX;  // immediate of a sender's last message

Log first_log;
Log second_log;

struct Length {
  std::size_t bytes;
  bool in_place;  // from vmmc_alloc, else from the heap
};

// In a descriptor, staged, staged in pieces, in place, in place in several packets' shares.
constexpr Length kLengths[] = {{1, false},      {4, false},     {16, false},      {24, false},
                               {25, false},     {32, false},    {33, false},      {4096, false},
                               {65536, false},  {65537, false}, {200'000, false}, {65537, true},
                               {300'000, true}, {2, false},     {70'001, false}};
constexpr std::uint32_t kMessages = std::size(kLengths);
constexpr std::size_t kRoom = 1 << 20;

unsigned char byte_of(std::uint32_t message, std::size_t i) {
  return static_cast<unsigned char>(message * 37 + i * 11 + i / 251 + 1);
}

std::size_t offset_of(std::uint32_t message) {
  std::size_t offset = 3;
  for (std::uint32_t i = 0; i < message; ++i) offset += kLengths[i].bytes;
  return offset;
}

// The handler of the first case: the whole message is there.
void check_message(const vmmc_notification* notification, void* log) {
  const Log::Running running;
  const std::uint32_t message = notification->immediate - 1000;
  EXPECT(message < kMessages);
  EXPECT(notification->length == kLengths[message].bytes);
  EXPECT(notification->offset == offset_of(message));
  const unsigned char* bytes =
      static_cast<unsigned char*>(notification->buffer) + notification->offset;
  for (std::size_t i = 0; i < notification->length; ++i) {
    EXPECT(bytes[i] == byte_of(message, i));
  }
  static_cast<Log*>(log)->add(*notification);
}

void send_messages(Part& part) {
  attach();
  const Proxy proxy = import_from(0, 7);
  auto* allocated = static_cast<unsigned char*>(allocate(kRoom));
  std::vector<unsigned char> heap(kRoom);
  for (std::uint32_t message = 0; message < kMessages; ++message) {
    const Length& length = kLengths[message];
    unsigned char* source = length.in_place ? allocated : heap.data() + message;
    for (std::size_t i = 0; i < length.bytes; ++i) source[i] = byte_of(message, i);
    EXPECT(vmmc_send_notify(source, proxy.address + offset_of(message), length.bytes,
                            1000 + message) == VMMC_OK);
    std::memset(source, 0xee, length.bytes);  // may be reused
  }
  EXPECT(vmmc_fence() == VMMC_OK);
  EXPECT(counters().notifications_sent == kMessages);
  part.meet();
}

void receive_messages(Part& part, vmmc_delivery way) {
  attach_with(way);
  unsigned char* memory = export_with(kRoom, 7, check_message, &first_log);
  serve_until(way, [] { return first_log.calls() == kMessages; });
  part.meet();
  EXPECT(first_log.calls() == kMessages);
  for (std::uint32_t call = 0; call < kMessages; ++call) {
    const vmmc_notification& seen = first_log[call];
    EXPECT(seen.immediate == 1000 + call);
    EXPECT(seen.buffer_id == 7);
    EXPECT(seen.buffer == memory);
    EXPECT(seen.sender.node == 1);
    EXPECT(seen.sender.process == 1);
  }
  EXPECT(counters().notifications_received == kMessages);
}

}  // namespace

TEST_CASE("S7.1 S7.2 S10.5 the handler runs with the whole message in memory and is told of it") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part& part) { receive_messages(part, way); }, send_messages});
  });
}

TEST_CASE("S7.2 each buffer has its own handler and argument") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(
        nicsim,
        {[way](Part&) {
           attach_with(way);
           static unsigned char ordinary[5000];
           unsigned char* memory = export_with(64, 1, Log::record, &first_log);
           EXPECT(export_status(ordinary + 4, 4000, 2, Log::record, &second_log) == VMMC_OK);
           serve_until(way, [] { return first_log.calls() + second_log.calls() == 200; });
           EXPECT(first_log.calls() == 100);
           for (std::uint32_t i = 0; i < 100; ++i) {
             EXPECT(first_log[i].buffer_id == 1);
             EXPECT(first_log[i].buffer == memory);
             EXPECT(first_log[i].immediate == 2 * i);
             EXPECT(second_log[i].buffer_id == 2);
             EXPECT(second_log[i].buffer == ordinary + 4);
             EXPECT(second_log[i].offset == 16);
             EXPECT(second_log[i].immediate == 2 * i + 1);
           }
         },
         [](Part&) {
           attach();
           const Proxy one = import_from(0, 1);
           const Proxy two = import_by(VMMC_EXECUTOR_NIC, 0, 2);  // not of whole pages
           for (std::uint32_t i = 0; i < 200; ++i) {
             notify(i, i % 2 == 0 ? one.address : two.address + 16, i);
           }
           EXPECT(vmmc_fence() == VMMC_OK);
         }});
  });
}

TEST_CASE("S7.3 no handler or no wish, no notification; the bytes arrive") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim,
                  {[way](Part& part) {
                     attach_with(way);
                     unsigned char* silent = export_with(64, 1, nullptr);
                     unsigned char* loud = export_with(64, 2, Log::record, &first_log);
                     part.meet();  // all is in memory, and what it notifies of in the queue
                     EXPECT(look(silent) == 11);
                     EXPECT(look(loud + 8) == 12);
                     serve_until(way, [] { return first_log.calls() == 1; });
                     EXPECT(first_log[0].immediate == kEnd);
                     EXPECT(counters().notifications_received == 1);
                     EXPECT(counters().notifications_discarded == 0);
                   },
                   [](Part& part) {
                     attach();
                     const Proxy silent = import_from(0, 1);
                     const Proxy loud = import_from(0, 2);
                     notify(11, silent.address, 5);
                     send_word(12, loud.address + 8);
                     std::vector<unsigned char> much(40);
                     EXPECT(vmmc_send(much.data(), loud.address + 12, much.size()) == VMMC_OK);
                     notify(13, loud.address, kEnd);
                     EXPECT(vmmc_fence() == VMMC_OK);
                     EXPECT(counters().notifications_sent == 1);
                     part.meet();
                   }});
  });
}

TEST_CASE("S7.4 one call for each message of each sender, in its order") {
  NicsimProcess nicsim;
  constexpr std::uint32_t kEach = 1500;
  for_each_way([&](vmmc_delivery way) {
    const auto sender = [](Part&) {
      attach();
      const Proxy proxy = import_from(0, 1);
      for (std::uint32_t i = 0; i < kEach; ++i) {
        notify(i, proxy.address + 8192 * vmmc_rank() + 4 * (i % 2048), i);
      }
      EXPECT(vmmc_fence() == VMMC_OK);
    };
    run_processes(nicsim, {[way](Part&) {
                             attach_with(way);
                             export_with(4 * 8192, 1, Log::record, &first_log);
                             serve_until(way, [] { return first_log.calls() == 3 * kEach; });
                             std::uint32_t next[4] = {};
                             for (std::uint32_t call = 0; call < 3 * kEach; ++call) {
                               const vmmc_notification& seen = first_log[call];
                               EXPECT(seen.sender.process >= 1 && seen.sender.process <= 3);
                               const std::uint32_t due = next[seen.sender.process]++;
                               EXPECT(seen.immediate == due);
                               EXPECT(seen.offset == 8192 * seen.sender.process + 4 * (due % 2048));
                             }
                           },
                           sender, sender, sender});
  });
}

namespace {

std::atomic<pid_t> handler_thread{0};

void note_thread(const vmmc_notification* notification, void* log) {
  handler_thread.store(::gettid());
  Log::record(notification, log);
}

void send_hundred(Part& part) {
  attach();
  const Proxy proxy = import_from(0, 1);
  part.meet();
  for (std::uint32_t i = 0; i < 100; ++i) notify(i, proxy.address, i);
  EXPECT(vmmc_fence() == VMMC_OK);
  part.meet();
}

}  // namespace

TEST_CASE("S7.13 by thread: in a thread of the library") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();  // the default
                           export_with(64, 1, note_thread, &first_log);
                           part.meet();
                           part.meet();
                           await_that([] { return first_log.calls() == 100; });
                           EXPECT(handler_thread.load() != ::gettid());
                         },
                         send_hundred});
}

TEST_CASE("S7.13 by signal: the chosen one, in a thread that has it unblocked") {
  NicsimProcess nicsim;
  for (const int signal : {0, SIGUSR1, SIGIO, SIGRTMAX}) {
    CAPTURE(signal);
    run_processes(nicsim,
                  {[signal](Part& part) {
                     vmmc_init_options options = VMMC_INIT_DEFAULTS;
                     options.delivery = VMMC_DELIVER_BY_SIGNAL;
                     options.signal = signal;
                     EXPECT(vmmc_init(&options) == VMMC_OK);
                     export_with(64, 1, note_thread, &first_log);
                     sigset_t set;
                     ::sigemptyset(&set);
                     ::sigaddset(&set, signal == 0 ? SIGRTMIN + 2 : signal);
                     EXPECT(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
                     part.meet();
                     part.meet();
                     EXPECT(first_log.calls() == 0);
                     EXPECT(::pthread_sigmask(SIG_UNBLOCK, &set, nullptr) == 0);
                     EXPECT(first_log.calls() == 100);  // the signal was pending
                     EXPECT(handler_thread.load() == ::gettid());
                     EXPECT(vmmc_finalize() == VMMC_OK);
                     struct sigaction left {};
                     EXPECT(::sigaction(signal == 0 ? SIGRTMIN + 2 : signal, nullptr, &left) == 0);
                     EXPECT(left.sa_handler == SIG_DFL);
                   },
                   send_hundred});
  }
}

TEST_CASE("S7.13 by dispatch: in the call, as many as asked for, when the descriptor says so") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach_with(VMMC_DELIVER_BY_DISPATCH);
                           EXPECT(vmmc_dispatch(0) == 0);
                           EXPECT(!is_dispatchable());
                           export_with(64, 1, note_thread, &first_log);
                           EXPECT(vmmc_dispatch(0) == 0);
                           EXPECT(!is_dispatchable());
                           part.meet();
                           part.meet();
                           EXPECT(first_log.calls() == 0);
                           EXPECT(is_dispatchable());
                           EXPECT(vmmc_dispatch(1) == 1);
                           EXPECT(vmmc_dispatch(9) == 9);
                           EXPECT(first_log.calls() == 10);
                           EXPECT(is_dispatchable());
                           std::thread([] { EXPECT(vmmc_dispatch(40) == 40); }).join();
                           EXPECT(handler_thread.load() != ::gettid());
                           EXPECT(vmmc_dispatch(0) == 50);
                           EXPECT(handler_thread.load() == ::gettid());
                           EXPECT(!is_dispatchable());
                           EXPECT(vmmc_dispatch(0) == 0);
                         },
                         send_hundred});
}

namespace {

std::atomic<bool> may_end{false};

void run_long(const vmmc_notification* notification, void* log) {
  Log::record(notification, log);
  while (!may_end.load()) ::usleep(100);
}

}  // namespace

TEST_CASE("S7.13 by dispatch: one thread at a time") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach_with(VMMC_DELIVER_BY_DISPATCH);
                           export_with(64, 1, run_long, &first_log);
                           part.meet();
                           part.meet();
                           std::thread other([] { EXPECT(vmmc_dispatch(2) == 2); });
                           await_that([] { return first_log.calls() == 1; });
                           EXPECT(vmmc_dispatch(0) == 0);
                           EXPECT(first_log.calls() == 1);
                           may_end = true;
                           other.join();
                           EXPECT(vmmc_dispatch(0) == 98);
                         },
                         send_hundred});
}
