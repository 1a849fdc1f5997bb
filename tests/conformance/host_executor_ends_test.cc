// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What ends while the host executor is at work: exports, processes, nicsim.

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "nicsim/wire/buffer_bell.h"
#include "tests/conformance/executors.h"
#include "vmmc/vmmc.hpp"

using namespace vmmc::testing;

namespace {

constexpr std::size_t kBytes = 8 * kPage;

using Content = std::vector<unsigned char>;
Content content_of(const unsigned char* memory) { return {memory, memory + kBytes}; }

// Words and long sends until one is refused; the status of that.
int send_without_pause(const Proxy& proxy, std::uint32_t way) {
  std::vector<std::uint32_t> many(kPage);
  int status = VMMC_OK;
  for (std::uint32_t i = 1; status == VMMC_OK; ++i) {
    many[0] = i;
    status = vmmc_send(&i, proxy.address + 8 * way, 4);
    if (way != 0 && status == VMMC_OK) {
      status = vmmc_send(many.data(), proxy.address + kPage * way, 4 * kPage);
    }
  }
  return status;
}

}  // namespace

TEST_CASE("S11.6 S2.8 taken back and exported again while importers send at full speed") {
  NicsimProcess nicsim;
  constexpr int kTimes = 60;
  const auto importer = [](Part& part) {
    attach();
    for (int time = 0; time < kTimes; ++time) {
      part.meet();
      const Proxy proxy = import_by_host(0, 1);
      part.meet();
      EXPECT(send_without_pause(proxy, part.number() - 1) == VMMC_ERR_UNEXPORTED);
      const std::uint32_t word = 0;
      EXPECT(vmmc_send(&word, proxy.address, 4) == VMMC_ERR_UNEXPORTED);
      EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
      part.meet();
    }
  };
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           auto* memory = static_cast<unsigned char*>(allocate(kBytes));
                           for (int time = 0; time < kTimes; ++time) {
                             memory[kBytes - 1] = static_cast<unsigned char>(time);
                             EXPECT(vmmc_export(memory, kBytes, 1, nullptr) == VMMC_OK);
                             part.meet();
                             part.meet();
                             while (look(memory) < 20) {
                             }
                             EXPECT(vmmc_unexport(1) == VMMC_OK);
                             const Content then = content_of(memory);
                             EXPECT(then[kBytes - 1] == static_cast<unsigned char>(time));
                             EXPECT(look(memory) > 0);  // what had arrived is still there
                             part.meet();               // every importer has been refused
                             EXPECT(content_of(memory) == then);
                             std::fill(memory, memory + kBytes, static_cast<unsigned char>(0));
                           }
                         },
                         importer, importer});
}

TEST_CASE("S11.6 who keeps a mapping of what it had imported reaches nothing of the exporter's") {
  NicsimProcess nicsim;
  for (const bool exporter_allocated : {true, false}) {
    CAPTURE(exporter_allocated);
    run_processes(nicsim,
                  {[=](Part& part) {
                     attach();
                     std::vector<unsigned char> heap(kBytes + kPage);
                     const auto start = reinterpret_cast<std::uintptr_t>(heap.data());
                     auto* memory = exporter_allocated
                                        ? static_cast<unsigned char*>(allocate(kBytes))
                                        : heap.data() + (kPage - start % kPage) % kPage;
                     EXPECT(vmmc_export(memory, kBytes, 1, nullptr) == VMMC_OK);
                     part.meet();
                     part.meet();  // it stores all the time
                     EXPECT(look(memory) > 0);
                     EXPECT(vmmc_unexport(1) == VMMC_OK);
                     const Content then = content_of(memory);
                     part.meet();
                     part.meet();
                     EXPECT(content_of(memory) == then);
                     // Nor what is exported next.
                     EXPECT(vmmc_export(memory, kBytes, 1, nullptr) == VMMC_OK);
                     part.meet();
                     part.meet();
                     EXPECT(content_of(memory) == then);
                     EXPECT(vmmc_wait_32(reinterpret_cast<std::uint32_t*>(memory + 4), VMMC_EQUAL,
                                         77, VMMC_WAIT_BLOCK, kSecond / 20) == VMMC_ERR_TIMEOUT);
                     EXPECT(vmmc_unexport(1) == VMMC_OK);
                   },
                   [&](Part& part) {
                     attach();
                     part.meet();
                     OwnMapping own(nicsim.socket(), identity_of(0), 1);
                     std::atomic<bool> stop{false};
                     std::atomic<std::uint32_t> rounds{0};
                     std::thread storer([&] {
                       for (std::uint32_t i = 1; !stop; rounds = i++) {
                         auto* words = reinterpret_cast<std::uint32_t*>(own.mapping.data());
                         for (std::size_t at = 0; at < own.mapping.size() / 4; at += 7) {
                           __atomic_store_n(words + at, i, __ATOMIC_RELAXED);
                         }
                       }
                     });
                     const auto let_store = [&] {
                       const std::uint32_t begun = rounds + 1;
                       while (rounds <= begun) ::usleep(1000);
                     };
                     let_store();
                     for (int i = 0; i < 5; ++i) {
                       part.meet();
                       let_store();
                     }
                     stop = true;
                     storer.join();
                   }});
  }
}

TEST_CASE("S11.7 S4.10 importers of a process that is killed get PEER_DEAD") {
  NicsimProcess nicsim;
  const auto importer = [](Part& part) {
    attach();
    part.meet();
    const Proxy proxy = import_by_host(0, 1);
    part.meet();
    EXPECT(send_without_pause(proxy, part.number() - 1) == VMMC_ERR_PEER_DEAD);
    std::uint32_t word = 0;
    EXPECT(vmmc_fetch(&word, proxy.address, 4) == VMMC_ERR_PEER_DEAD);
    EXPECT(vmmc_fetch_add_32(proxy.address, 1, &word) == VMMC_ERR_PEER_DEAD);
    EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
  };
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           const unsigned char* memory = export_new(kBytes, 1);
                           part.meet();
                           part.meet();
                           while (look(memory) < 1000 || look(memory + 8) < 100) {
                           }
                           part.die();
                         },
                         importer, importer});
}

TEST_CASE("S11.7 S6.1 an importer that is killed in the middle of stores disturbs nobody") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           const unsigned char* memory = export_new(kBytes, 1);
                           part.meet();
                           part.meet();
                           std::uint32_t last = look(memory + 8);
                           while (look(memory + 8) < last + 100) {
                           }
                           EXPECT(::kill(static_cast<pid_t>(part.value(0)), SIGKILL) == 0);
                           // The other goes on.
                           last = look(memory);
                           while (look(memory) < last + 10'000) {
                           }
                           EXPECT(vmmc_unexport(1) == VMMC_OK);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const Proxy proxy = import_by_host(0, 1);
                           part.meet();
                           EXPECT(send_without_pause(proxy, 0) == VMMC_ERR_UNEXPORTED);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const Proxy proxy = import_by_host(0, 1);
                           part.value(0) = static_cast<std::uint64_t>(::getpid());
                           part.meet();
                           part.expect_to_be_killed();
                           (void)send_without_pause(proxy, 1);
                           ::pause();
                         }});
}

TEST_CASE("S11.7 an importer that dies with the bell in its hands leaves nobody asleep") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   const unsigned char* memory = export_new(kPage, 1);
                   part.meet();
                   EXPECT(vmmc_wait_32(reinterpret_cast<const std::uint32_t*>(memory), VMMC_EQUAL,
                                       5, VMMC_WAIT_BLOCK, VMMC_FOREVER) == VMMC_OK);
                 },
                 [&](Part& part) {
                   attach();
                   part.meet();
                   const Proxy proxy = import_by_host(0, 1);
                   auto dying = std::make_unique<OwnMapping>(nicsim.socket(), identity_of(0), 1);
                   auto& bell =
                       *reinterpret_cast<vmmc::wire::BufferBell*>(dying->mapping.data() + kPage);
                   // As a sender whose bytes concerned the sleeper, just before it wakes him.
                   while (bell.armed.exchange(0) == 0) ::usleep(100);
                   send_word(5, proxy.address);
                   ::usleep(20'000);
                   dying.reset();
                   EXPECT(vmmc_fence() == VMMC_OK);
                 }});
}

TEST_CASE("S11.7 S6.2 when nicsim is killed every later host send says so") {
  NicsimProcess nicsim;
  const pid_t pid = nicsim.pid();
  run_processes(
      nicsim,
      {[](Part& part) {
         attach();
         const unsigned char* memory = export_new(kBytes, 1);
         part.meet();
         EXPECT(vmmc_wait_32(reinterpret_cast<const std::uint32_t*>(memory + kPage - 4), VMMC_EQUAL,
                             99, VMMC_WAIT_BLOCK, VMMC_FOREVER) == VMMC_ERR_NICSIM_GONE);
       },
       [pid](Part& part) {
         attach();
         part.meet();
         const Proxy proxy = import_by_host(0, 1);
         std::vector<std::thread> threads;
         for (std::uint32_t number = 0; number < 3; ++number) {
           threads.emplace_back([&, number] {
             EXPECT(send_without_pause(proxy, number) == VMMC_ERR_NICSIM_GONE);
             std::uint32_t word = 1;
             for (int i = 0; i < 100; ++i) {
               EXPECT(vmmc_send(&word, proxy.address, 4) == VMMC_ERR_NICSIM_GONE);
               std::uint64_t eight = 1;
               EXPECT(vmmc_send(&eight, proxy.address, 8) == VMMC_ERR_NICSIM_GONE);
               EXPECT(vmmc_fetch(&word, proxy.address, 4) == VMMC_ERR_NICSIM_GONE);
             }
           });
         }
         ::usleep(30'000);
         EXPECT(::kill(pid, SIGKILL) == 0);
         for (std::thread& thread : threads) thread.join();
         EXPECT(vmmc_unimport(proxy.address) == VMMC_ERR_NICSIM_GONE);
       }});
}

TEST_CASE("S3.10 a C++ proxy that has ended reaches nothing, whoever has its place now") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  const unsigned char* memory[] = {export_new(kPage, 1), export_new(kPage, 2)};
                  auto ended = vmmc::proxy::import(vmmc_self(), 1);
                  EXPECT(ended.has_value());
                  EXPECT(ended->send(std::uint32_t{1}).has_value());
                  EXPECT(ended->unimport().has_value());
                  auto next = vmmc::proxy::import(vmmc_self(), 2);
                  EXPECT(next.has_value());
                  EXPECT(next->send(std::uint32_t{2}).has_value());
                  EXPECT(next->send(std::uint32_t{2}).has_value());
                  const auto refused = ended->send(std::uint32_t{3});
                  EXPECT(!refused.has_value());
                  EXPECT(refused.error().value() == VMMC_ERR_OUTSIDE_PROXY);
                  vmmc::proxy moved = std::move(*next);
                  EXPECT(!next->send(std::uint32_t{4}).has_value());
                  EXPECT(moved.send(std::uint32_t{5}, 4).has_value());
                  EXPECT(look(memory[0]) == 1);
                  EXPECT(look(memory[1]) == 2);
                  EXPECT(look(memory[1] + 4) == 5);
                }});
}

TEST_CASE("S11.7 S1.5 a forked child's sends are refused, also those that stand inline") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        const unsigned char* memory = export_new(kPage, 1);
        vmmc_import_options options = VMMC_IMPORT_DEFAULTS;
        options.executor = VMMC_EXECUTOR_HOST;
        auto proxy = vmmc::proxy::import(vmmc_self(), 1, options);
        EXPECT(proxy.has_value());
        EXPECT(proxy->send(std::uint32_t{1}).has_value());
        EXPECT(proxy->send(std::uint32_t{2}).has_value());
        std::fflush(nullptr);
        const pid_t child = ::fork();
        if (child == 0) {
          const auto refused = proxy->send(std::uint32_t{3});
          ::_exit(!refused.has_value() && refused.error().value() == VMMC_ERR_FORKED ? 0 : 1);
        }
        int status = 0;
        EXPECT(::waitpid(child, &status, 0) == child);
        EXPECT(status == 0);
        EXPECT(look(memory) == 2);
        EXPECT(proxy->send(std::uint32_t{4}).has_value());
        EXPECT(look(memory) == 4);
      }});
}
