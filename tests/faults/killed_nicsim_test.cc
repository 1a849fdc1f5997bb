// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// nicsim is killed while programs wait in every call that waits.
#include <doctest/doctest.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/conformance/conformance.h"

using namespace vmmc::testing;

namespace {

using Body = std::function<void(Part&)>;

constexpr int kKilledAt = 0;     // indices of Part::value
constexpr int kStopped = 1;      // nicsim does not answer any more
constexpr int kFirstDelay = 10;  // and one for each part

constexpr std::uint64_t kHang = 20 * kSecond;

std::uint64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kSecond +
         static_cast<std::uint64_t>(time.tv_nsec);
}

// What a part does before nicsim stops, and the call that waits until it is killed.
struct Waiting {
  const char* call;
  std::function<void()> prepare;
  std::function<int()> wait;
  int due = VMMC_ERR_NICSIM_GONE;
};

constexpr std::size_t kMuch = 1 << 20;  // more than is copied aside, so that the send waits
unsigned char* memory = nullptr;
Proxy proxy;

void export_and_import_by(vmmc_executor executor) {
  attach();
  memory = export_new(kMuch, 1);
  proxy = import_by(executor, vmmc_rank(), 1);
}

// Where sends wait for nicsim.
void export_and_import() { export_and_import_by(VMMC_EXECUTOR_NIC); }

// Where they do not, and go on until they are told.
void export_and_import_by_host() { export_and_import_by(VMMC_EXECUTOR_HOST); }

int wait_for_word(vmmc_wait_strategy strategy) {
  return vmmc_wait_32(reinterpret_cast<std::uint32_t*>(memory), VMMC_EQUAL, 1, strategy,
                      VMMC_FOREVER);
}

int send_until_refused() {
  const std::uint32_t value = 2;
  int status = VMMC_OK;
  while (status == VMMC_OK) status = vmmc_send(&value, proxy.address, sizeof value);
  return status;
}

int send_and(int (*then)()) {
  const std::uint32_t value = 2;
  const int status = vmmc_send(&value, proxy.address, sizeof value);
  return status == VMMC_OK ? then() : status;
}

int send_and_wait() {
  const std::vector<unsigned char> data(1000);
  vmmc_send_handle handle = 0;
  const int status = vmmc_send_start(data.data(), proxy.address, data.size(), &handle);
  return status == VMMC_OK ? vmmc_send_wait(handle) : status;
}

int send_much() {
  const std::vector<unsigned char> data(kMuch);
  return vmmc_send(data.data(), proxy.address, data.size());
}

std::vector<Waiting> every_waiting_call() {
  std::vector<Waiting> all;
  for (const char* strategy : {"adaptive", "spin", "pause", "yield", "block"}) {
    const auto number = static_cast<vmmc_wait_strategy>(vmmc_wait_strategy_from_name(strategy));
    all.push_back({strategy, export_and_import, [number] { return wait_for_word(number); }});
  }
  all.push_back({"vmmc_wait_64", export_and_import, [] {
                   return vmmc_wait_64(reinterpret_cast<std::uint64_t*>(memory), VMMC_EQUAL, 1,
                                       VMMC_WAIT_ADAPTIVE, VMMC_FOREVER);
                 }});
  all.push_back({"vmmc_import", attach, [] {
                   return import_status({0, 999}, 1, VMMC_WRITE, VMMC_FOREVER);
                 }});
  all.push_back({"vmmc_import with a timeout", attach, [] {
                   return import_status({0, 999}, 1, VMMC_WRITE, kSecond / 5);
                 }});
  all.push_back({"vmmc_send, queue full", export_and_import, send_until_refused});
  all.push_back({"vmmc_send by the host executor", export_and_import_by_host, send_until_refused});
  all.push_back({"vmmc_fence after it", export_and_import_by_host, [] {
                   int status = VMMC_OK;
                   while (status == VMMC_OK) status = send_and(vmmc_fence);
                   return status;
                 }});
  all.push_back({"vmmc_send of much", export_and_import, send_much});
  all.push_back({"vmmc_send_wait", export_and_import, send_and_wait});
  all.push_back({"vmmc_fence", export_and_import, [] { return send_and(vmmc_fence); }});
  all.push_back({"vmmc_finalize", export_and_import, [] { return send_and(vmmc_finalize); }});
  all.push_back({"vmmc_unimport", export_and_import,
                 [] { return send_and([] { return vmmc_unimport(proxy.address); }); }});
  all.push_back({"vmmc_unexport", export_and_import, [] { return vmmc_unexport(1); }});
  all.push_back({"vmmc_export", export_and_import, [] {
                   static unsigned char more[4096];
                   return vmmc_export(more, sizeof more, 2, nullptr);
                 }});
  all.push_back({"vmmc_alloc", attach, [] {
                   void* allocated = nullptr;
                   return vmmc_alloc(4096, &allocated);
                 }});
  all.push_back({"vmmc_init", [] {},
                 [] {
                   vmmc_init_options options = VMMC_INIT_DEFAULTS;
                   options.never_start = 1;
                   return vmmc_init(&options);
                 },
                 VMMC_ERR_NO_NICSIM});
  return all;
}

Body part_that_waits(Waiting waiting) {
  return [waiting = std::move(waiting)](Part& part) {
    waiting.prepare();
    part.meet();
    while (part.value(kStopped).load() == 0) ::usleep(100);
    const int status = waiting.wait();
    const std::uint64_t ended = now();
    const std::uint64_t killed = part.value(kKilledAt).load();
    if (status != waiting.due) {
      std::fprintf(stderr, "%s: %s\n", waiting.call, vmmc_status_name(status));
    }
    EXPECT(status == waiting.due);
    EXPECT(killed != 0);  // it has waited for that
    part.value(kFirstDelay + static_cast<int>(part.number())).store(ended - killed);
    EXPECT(std::string(vmmc_last_error()).size() > 10);
    const int finalized = vmmc_finalize();
    EXPECT(finalized == VMMC_ERR_NICSIM_GONE || finalized == VMMC_ERR_NOT_ATTACHED);
  };
}

}  // namespace

TEST_CASE("every call that waits ends when nicsim is killed, even if it did not answer before") {
  NicsimProcess nicsim;
  const pid_t pid = nicsim.pid();
  const std::vector<Waiting> waiting = every_waiting_call();
  std::vector<Body> parts;
  std::vector<const char*> names;
  for (const Waiting& call : waiting) {
    parts.push_back(part_that_waits(call));
    names.push_back(call.call);
  }
  parts.push_back([pid, names](Part& part) {
    part.meet();
    EXPECT(::kill(pid, SIGSTOP) == 0);
    part.value(kStopped).store(1);
    ::usleep(500'000);
    part.value(kKilledAt).store(now());
    EXPECT(::kill(pid, SIGKILL) == 0);
    std::size_t worst = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto delay = [&] { return part.value(kFirstDelay + static_cast<int>(i)).load(); };
      while (delay() == 0 && now() - part.value(kKilledAt).load() < kHang) ::usleep(1'000);
      if (delay() == 0) std::fprintf(stderr, "%s still waits\n", names[i]);
      EXPECT(delay() != 0);
      EXPECT(delay() < kHang);
      if (delay() > part.value(kFirstDelay + static_cast<int>(worst)).load()) worst = i;
    }
    std::printf("nicsim's end was known everywhere after %.3f ms; last in %s\n",
                static_cast<double>(part.value(kFirstDelay + static_cast<int>(worst))) / 1e6,
                names[worst]);
  });
  run_processes(nicsim, std::move(parts));
}

TEST_CASE("nicsim killed under load ends every call of every thread with the same error") {
  for (int round = 0; round < 5; ++round) {
    NicsimProcess nicsim;
    const pid_t pid = nicsim.pid();
    const auto load = [](std::uint32_t other) {
      return [other](Part& part) {
        attach();
        memory = export_new(1 << 20, 1);
        proxy = import_from(other, 1);
        part.meet();
        std::vector<std::thread> threads;
        for (int thread = 0; thread < 2; ++thread) {
          threads.emplace_back([thread] {
            std::vector<unsigned char> data(50'000);
            int status = VMMC_OK;
            for (std::size_t n = 1; status == VMMC_OK; n = n * 5 % 49'999) {
              status = vmmc_send(data.data(), proxy.address, n + 1);
              if (status == VMMC_OK && thread == 0) status = vmmc_fence();
            }
            EXPECT(status == VMMC_ERR_NICSIM_GONE);
          });
        }
        threads.emplace_back([] {
          static unsigned char more[8192];
          int status = VMMC_OK;
          while (status == VMMC_OK) {
            status = vmmc_export(more, sizeof more, 2, nullptr);
            if (status == VMMC_OK) status = vmmc_unexport(2);
          }
          EXPECT(status == VMMC_ERR_NICSIM_GONE);
        });
        for (std::thread& thread : threads) thread.join();
        EXPECT(vmmc_finalize() == VMMC_ERR_NICSIM_GONE);
        memory = nullptr;
      };
    };
    run_processes(nicsim, {load(1), load(0), [pid, round](Part& part) {
                             part.meet();
                             ::usleep(20'000 + static_cast<unsigned>(round) * 3'333);
                             EXPECT(::kill(pid, SIGKILL) == 0);
                           }});
  }
}
