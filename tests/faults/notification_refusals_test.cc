// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Each refusal of the calls about notifications: its status, and a sentence with what was wrong.
#include <doctest/doctest.h>
#include <signal.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "tests/conformance/notifications.h"

using namespace vmmc::testing;

namespace {

// Whether the call that returned `status` was refused so, with a sentence that says `what`.
// Async-signal-safe as long as it is true.
bool refused(int status, int due, const char* what) {
  const char* sentence = vmmc_last_error();
  if (status == due && *sentence != '\0' && std::strstr(sentence, what) != nullptr) return true;
  std::fprintf(stderr, "%s, due %s, \"%s\" in: %s\n", vmmc_status_name(status),
               vmmc_status_name(due), what, sentence);
  return false;
}

bool refused(int status, int due, int number) {
  return refused(status, due, std::to_string(number).c_str());
}

int init_with(int delivery, int signal) {
  vmmc_init_options options = VMMC_INIT_DEFAULTS;
  options.delivery = delivery;
  options.signal = signal;
  return vmmc_init(&options);
}

bool is_open(int descriptor) {
  pollfd poll_it{descriptor, 0, 0};
  return ::poll(&poll_it, 1, 0) >= 0 && (poll_it.revents & POLLNVAL) == 0;
}

}  // namespace

TEST_CASE("unknown deliveries and signals are refused by vmmc_init") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        for (const int delivery : {-1, 3, 77, INT32_MAX, INT32_MIN}) {
          EXPECT(refused(init_with(delivery, 0), VMMC_ERR_INVALID_ARGUMENT, delivery));
        }
        for (const int signal : {-1, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
                                 SIGABRT, 32, 33, 65, 1000, INT32_MAX, INT32_MIN}) {
          EXPECT(refused(init_with(VMMC_DELIVER_BY_SIGNAL, signal), VMMC_ERR_INVALID_ARGUMENT,
                         signal));
        }
        EXPECT(vmmc_fence() == VMMC_ERR_NOT_ATTACHED);
        // The other ways do not look at it.
        EXPECT(init_with(VMMC_DELIVER_BY_THREAD, SIGKILL) == VMMC_OK);
        EXPECT(vmmc_finalize() == VMMC_OK);
        EXPECT(init_with(VMMC_DELIVER_BY_DISPATCH, -5) == VMMC_OK);
        EXPECT(vmmc_finalize() == VMMC_OK);
      }});
}

namespace {

Log log_of_calls;
std::atomic<int> programs_calls{0};

void programs_handler(int) { programs_calls.fetch_add(1); }
void programs_information_handler(int, siginfo_t*, void*) { programs_calls.fetch_add(1); }

void handle(int signal, bool information) {
  struct sigaction action {};
  if (information) {
    action.sa_sigaction = programs_information_handler;
    action.sa_flags = SA_SIGINFO;
  } else {
    action.sa_handler = programs_handler;
  }
  EXPECT(::sigaction(signal, &action, nullptr) == 0);
}

}  // namespace

TEST_CASE("a signal that the program handles delivers no notifications, and stays the program's") {
  NicsimProcess nicsim;
  for (const bool information : {false, true}) {
    CAPTURE(information);
    run_processes(nicsim, {[information](Part&) {
                    handle(SIGUSR1, information);
                    EXPECT(init_with(VMMC_DELIVER_BY_SIGNAL, SIGUSR1) == VMMC_OK);
                    void* memory = allocate(64);
                    for (int i = 0; i < 3; ++i) {
                      EXPECT(refused(export_status(memory, 64, 1, vmmc_no_action),
                                     VMMC_ERR_INVALID_ARGUMENT, SIGUSR1));
                    }
                    EXPECT(vmmc_unexport(1) == VMMC_ERR_UNKNOWN_EXPORT);
                    EXPECT(export_status(memory, 64, 1, nullptr) == VMMC_OK);
                    EXPECT(vmmc_unexport(1) == VMMC_OK);
                    EXPECT(::raise(SIGUSR1) == 0);
                    EXPECT(programs_calls.load() == 1);
                    // Given up by the program, it delivers.
                    EXPECT(::signal(SIGUSR1, SIG_IGN) != SIG_ERR);
                    EXPECT(export_status(memory, 64, 1, Log::record, &log_of_calls) == VMMC_OK);
                    const Proxy own = import_from(0, 1);
                    notify(1, own.address, 9);
                    await_that([] { return log_of_calls.calls() == 1; });
                    EXPECT(vmmc_finalize() == VMMC_OK);
                    struct sigaction left {};
                    EXPECT(::sigaction(SIGUSR1, nullptr, &left) == 0);
                    EXPECT(left.sa_handler == SIG_IGN);
                  }});
  }
}

TEST_CASE("without vmmc_init every call is refused") {
  const auto refuses_all = [] {
    vmmc_notification notification;
    char byte = 0;
    const int due = VMMC_ERR_NOT_ATTACHED;
    return refused(vmmc_send_notify(&byte, &byte, 1, 0), due, "not attached") &&
           refused(vmmc_block_notifications(), due, "not attached") &&
           refused(vmmc_unblock_notifications(), due, "not attached") &&
           refused(vmmc_accept_notifications(1, 0), due, "not attached") &&
           refused(vmmc_wait_notification(1, 0, &notification), due, "not attached") &&
           refused(vmmc_notification_fd(), due, "not attached") &&
           refused(vmmc_dispatch(0), due, "not attached");
  };
  NicsimProcess nicsim;
  run_processes(nicsim, {[=](Part&) {
                  EXPECT(refuses_all());
                  attach_with(VMMC_DELIVER_BY_DISPATCH);
                  const int descriptor = vmmc_notification_fd();
                  EXPECT(is_open(descriptor));
                  EXPECT(vmmc_notification_fd() == descriptor);
                  EXPECT(vmmc_finalize() == VMMC_OK);
                  EXPECT(!is_open(descriptor));
                  EXPECT(refuses_all());
                }});
}

TEST_CASE("notifying sends are refused as sends are, and nothing is sent") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   unsigned char* memory = export_with(64, 1, Log::record, &log_of_calls);
                   const Proxy proxy = import_from(0, 1);
                   char bytes[100] = {};
                   const auto send = [&](const void* from, void* to, std::size_t length) {
                     return vmmc_send_notify(from, to, length, 7);
                   };
                   unsigned char* const start = proxy.address;
                   EXPECT(refused(send(nullptr, start, 4), VMMC_ERR_INVALID_ARGUMENT, "source"));
                   EXPECT(refused(send(bytes, start, 0), VMMC_ERR_ZERO_LENGTH, "zero"));
                   EXPECT(refused(send(bytes, start, 65), VMMC_ERR_OUTSIDE_PROXY, "65"));
                   EXPECT(refused(send(bytes, start + 64, 1), VMMC_ERR_OUTSIDE_PROXY, ""));
                   EXPECT(refused(send(bytes, nullptr, 1), VMMC_ERR_OUTSIDE_PROXY, ""));
                   EXPECT(refused(send(bytes, memory, 1), VMMC_ERR_OUTSIDE_PROXY, ""));
                   EXPECT(refused(send(bytes, start, SIZE_MAX), VMMC_ERR_LENGTH_OVERFLOW, ""));
                   const vmmc_import_options reading{VMMC_READ, VMMC_EXECUTOR_AUTO, 0};
                   void* readable = nullptr;
                   EXPECT(vmmc_import(identity_of(0), 1, &reading, &readable, nullptr) == VMMC_OK);
                   EXPECT(refused(send(bytes, readable, 4), VMMC_ERR_NOT_WRITABLE, "VMMC_WRITE"));
                   const Proxy other = import_from(1, 5);
                   part.meet();
                   part.meet();
                   EXPECT(refused(send(bytes, other.address, 4), VMMC_ERR_UNEXPORTED, "5"));
                   EXPECT(vmmc_unexport(1) == VMMC_OK);
                   EXPECT(refused(send(bytes, start, 4), VMMC_ERR_UNEXPORTED, "1"));
                   EXPECT(vmmc_fence() == VMMC_OK);
                   EXPECT(counters().notifications_sent == 0);
                   EXPECT(log_of_calls.calls() == 0);
                 },
                 [](Part& part) {
                   attach();
                   export_with(64, 5, vmmc_no_action);
                   part.meet();
                   EXPECT(vmmc_unexport(5) == VMMC_OK);
                   part.meet();
                 }});
}

TEST_CASE("accepting and waiting are refused for buffers that cannot be notified of") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(
        nicsim, {[way](Part&) {
          attach_with(way);
          export_with(64, 41, vmmc_no_action);
          export_with(64, 42, nullptr);
          vmmc_notification taken{};
          EXPECT(refused(vmmc_accept_notifications(43, 1), VMMC_ERR_UNKNOWN_EXPORT, "43"));
          EXPECT(refused(vmmc_accept_notifications(42, 0), VMMC_ERR_NO_NOTIFICATIONS, "42"));
          EXPECT(refused(vmmc_wait_notification(43, 0, &taken), VMMC_ERR_UNKNOWN_EXPORT, "43"));
          EXPECT(refused(vmmc_wait_notification(42, 0, &taken), VMMC_ERR_NO_NOTIFICATIONS, "42"));
          EXPECT(refused(vmmc_wait_notification(41, 0, &taken), VMMC_ERR_TIMEOUT, ""));
          EXPECT(refused(vmmc_wait_notification(41, 1'000'000, &taken), VMMC_ERR_TIMEOUT, ""));
          EXPECT(vmmc_accept_notifications(41, 1) == VMMC_OK);
          EXPECT(vmmc_unexport(41) == VMMC_OK);
          EXPECT(refused(vmmc_accept_notifications(41, 1), VMMC_ERR_UNKNOWN_EXPORT, "41"));
          EXPECT(refused(vmmc_wait_notification(41, 0, &taken), VMMC_ERR_UNKNOWN_EXPORT, "41"));
          if (way == VMMC_DELIVER_BY_DISPATCH) return;
          EXPECT(refused(vmmc_dispatch(0), VMMC_ERR_WRONG_DELIVERY, "dispatch"));
          EXPECT(refused(vmmc_notification_fd(), VMMC_ERR_WRONG_DELIVERY, "dispatch"));
        }});
  });
}

namespace {

vmmc_delivery chosen_way;

void ask_for_refusals(const vmmc_notification* notification, void* log) {
  EXPECT(refused(vmmc_wait_notification(1, 0, nullptr), VMMC_ERR_IN_HANDLER, "handler"));
  EXPECT(refused(vmmc_unblock_notifications(), VMMC_ERR_IN_HANDLER, "handler"));
  EXPECT(refused(vmmc_finalize(), VMMC_ERR_IN_HANDLER, "handler"));
  const bool dispatched = chosen_way == VMMC_DELIVER_BY_DISPATCH;
  EXPECT(refused(vmmc_dispatch(0), dispatched ? VMMC_ERR_IN_HANDLER : VMMC_ERR_WRONG_DELIVERY,
                 dispatched ? "handler" : "dispatch"));
  Log::record(notification, log);
}

}  // namespace

TEST_CASE("what a handler must not do is refused there, and nowhere else") {
  NicsimProcess nicsim;
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[way](Part&) {
                    chosen_way = way;
                    attach_with(way);
                    export_with(64, 1, ask_for_refusals, &log_of_calls);
                    const Proxy own = import_from(0, 1);
                    for (std::uint32_t i = 0; i < 50; ++i) notify(i, own.address, i);
                    EXPECT(vmmc_fence() == VMMC_OK);
                    serve_until(way, [] { return log_of_calls.calls() == 50; });
                    std::thread elsewhere(
                        [] { EXPECT(vmmc_wait_notification(1, 0, nullptr) == VMMC_ERR_TIMEOUT); });
                    elsewhere.join();
                    EXPECT(vmmc_unblock_notifications() > 0);
                  }});
  });
}
