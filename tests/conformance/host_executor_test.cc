// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "platform/testing/thread_state.h"
#include "tests/conformance/executors.h"
#include "vmmc/redirection.h"

using namespace vmmc::testing;

namespace {

int export_with(void* memory, std::size_t length, std::uint32_t id, std::uint32_t executor,
                std::uint32_t access = kReadWrite, int redirectable = 0) {
  vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
  options.executor = executor;
  options.access = access;
  options.redirectable = redirectable;
  return vmmc_export(memory, length, id, &options);
}

// Who carries a word that is sent by an import of one's own buffer.
std::uint64_t host_sends_to(std::uint32_t id, std::uint32_t executor,
                            std::uint32_t access = kReadWrite) {
  Proxy proxy;
  EXPECT(import_by(vmmc_rank(), id, executor, &proxy, access) == VMMC_OK);
  const vmmc_counters before = counters();
  send_word(1, proxy.address);
  EXPECT(vmmc_fence() == VMMC_OK);
  const vmmc_counters after = counters();
  EXPECT(after.transfers_sent == before.transfers_sent + 1);
  EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
  return after.host_executor_sends - before.host_executor_sends;
}

int host_import(std::uint32_t id) {
  Proxy proxy;
  return import_by(vmmc_rank(), id, VMMC_EXECUTOR_HOST, &proxy);
}

}  // namespace

TEST_CASE("S11.1 the host executor serves whole pages for reading and writing, and nothing else") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        auto* memory = static_cast<unsigned char*>(allocate(16 * kPage));
        // Whole pages, of any memory, and less rights for an import.
        EXPECT(export_with(memory, 4 * kPage, 1, VMMC_EXECUTOR_AUTO) == VMMC_OK);
        EXPECT(host_sends_to(1, VMMC_EXECUTOR_AUTO) == 1);
        EXPECT(host_sends_to(1, VMMC_EXECUTOR_AUTO, VMMC_WRITE) == 1);
        EXPECT(host_sends_to(1, VMMC_EXECUTOR_HOST) == 1);
        EXPECT(host_sends_to(1, VMMC_EXECUTOR_NIC) == 0);
        static char heap[4 * kPage];
        auto* page = reinterpret_cast<unsigned char*>(
            (reinterpret_cast<std::uintptr_t>(heap) + kPage - 1) / kPage * kPage);
        EXPECT(export_with(page, kPage, 2, VMMC_EXECUTOR_HOST) == VMMC_OK);
        EXPECT(host_sends_to(2, VMMC_EXECUTOR_AUTO) == 1);
        // What nic alone can serve.
        EXPECT(export_with(memory + 4 * kPage, kPage - 4, 3, VMMC_EXECUTOR_AUTO) == VMMC_OK);
        EXPECT(export_with(memory + 6 * kPage + 4, 2 * kPage - 4, 4, VMMC_EXECUTOR_AUTO) ==
               VMMC_OK);
        EXPECT(export_with(memory + 8 * kPage, kPage, 5, VMMC_EXECUTOR_NIC) == VMMC_OK);
        EXPECT(export_with(memory + 9 * kPage, kPage, 6, VMMC_EXECUTOR_AUTO, VMMC_WRITE) ==
               VMMC_OK);
        EXPECT(export_with(memory + 10 * kPage, kPage, 7, VMMC_EXECUTOR_AUTO, kReadWrite, 1) ==
               VMMC_OK);
        for (std::uint32_t id = 3; id <= 7; ++id) {
          EXPECT(host_import(id) ==
                 (id == 6 ? VMMC_ERR_PERMISSION_DENIED : VMMC_ERR_EXECUTOR_UNAVAILABLE));
          EXPECT(host_sends_to(id, VMMC_EXECUTOR_AUTO, VMMC_WRITE) == 0);
        }
      }});
}

TEST_CASE("S11.2 a demand for host that cannot be met is refused, and exports nothing") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        auto* memory = static_cast<unsigned char*>(allocate(4 * kPage));
        const auto refused = [&](std::size_t offset, std::size_t length, std::uint32_t access,
                                 int redirectable) {
          const int status =
              export_with(memory + offset, length, 1, VMMC_EXECUTOR_HOST, access, redirectable);
          EXPECT(std::string(vmmc_last_error()).find("host executor") != std::string::npos);
          EXPECT(vmmc_unexport(1) == VMMC_ERR_UNKNOWN_EXPORT);
          return status == VMMC_ERR_EXECUTOR_UNAVAILABLE;
        };
        EXPECT(refused(4, kPage - 4, kReadWrite, 0));
        EXPECT(refused(0, kPage + 4, kReadWrite, 0));
        EXPECT(refused(0, kPage, VMMC_READ, 0));
        EXPECT(refused(0, kPage, VMMC_WRITE, 0));
        EXPECT(refused(0, kPage, kReadWrite, 1));
        EXPECT(export_with(memory, kPage, 1, VMMC_EXECUTOR_HOST) == VMMC_OK);
        EXPECT(host_import(1) == VMMC_OK);
      }});
}

TEST_CASE("S11.2 $VMMC_EXECUTOR says what an import stands for that demands none") {
  NicsimProcess nicsim;
  const auto life = [](const char* executor, std::uint64_t auto_by_host, int of_nics_buffer) {
    ::setenv("VMMC_EXECUTOR", executor, 1);
    attach();
    auto* memory = static_cast<unsigned char*>(allocate(4 * kPage));
    EXPECT(export_with(memory, kPage, 1, VMMC_EXECUTOR_AUTO) == VMMC_OK);
    EXPECT(export_with(memory + kPage, kPage, 2, VMMC_EXECUTOR_NIC) == VMMC_OK);
    EXPECT(host_sends_to(1, VMMC_EXECUTOR_AUTO) == auto_by_host);
    EXPECT(host_sends_to(1, VMMC_EXECUTOR_HOST) == 1);
    EXPECT(host_sends_to(1, VMMC_EXECUTOR_NIC) == 0);
    Proxy proxy;
    EXPECT(import_by(0, 2, VMMC_EXECUTOR_AUTO, &proxy) == of_nics_buffer);
    EXPECT(vmmc_finalize() == VMMC_OK);
  };
  run_processes(nicsim, {[&](Part&) {
                  life("auto", 1, VMMC_OK);
                  life("", 1, VMMC_OK);
                  life("nic", 0, VMMC_OK);
                  life("host", 1, VMMC_ERR_EXECUTOR_UNAVAILABLE);
                  ::setenv("VMMC_EXECUTOR", "gpu", 1);
                  EXPECT(vmmc_init(nullptr) == VMMC_ERR_INVALID_ARGUMENT);
                }});
}

namespace {

constexpr std::uint64_t kWords = 1000;
constexpr int kSent = 0;  // indices of Part::value
constexpr int kBytesSent = 1;

void send_and_count(Part& part) {
  attach();
  part.meet();
  const Proxy host = import_by_host(0, 1);
  Proxy nic;
  EXPECT(import_by(0, 1, VMMC_EXECUTOR_NIC, &nic) == VMMC_OK);
  for (std::uint32_t i = 0; i < kWords; ++i) send_word(i, host.address);
  std::vector<unsigned char> many(32 * kPage, 1);
  for (const std::size_t length : {5000, 3, 60000}) {
    EXPECT(vmmc_send(many.data(), host.address + 5, length) == VMMC_OK);
  }
  std::uint32_t previous = 0;
  EXPECT(vmmc_fetch_add_32(host.address, 1, &previous) == VMMC_OK);
  EXPECT(vmmc_fetch(many.data(), host.address, 100) == VMMC_OK);
  vmmc_counters sent = counters();
  EXPECT(sent.host_executor_sends == kWords + 3);
  EXPECT(sent.nic_executor_sends == 0);
  for (std::uint32_t i = 0; i < kWords; ++i) send_word(i, nic.address + 8);
  EXPECT(vmmc_send_notify(&previous, host.address, 4, 0) == VMMC_OK);
  EXPECT(vmmc_fence() == VMMC_OK);
  sent = counters();
  EXPECT(sent.host_executor_sends == kWords + 3);
  EXPECT(sent.nic_executor_sends == kWords + 1);
  EXPECT(sent.transfers_sent == 2 * kWords + 4);
  EXPECT(sent.bytes_sent == 2 * 4 * kWords + 65003 + 4);
  EXPECT(sent.atomics == 1);
  EXPECT(sent.fetches == 1);
  EXPECT(sent.bytes_fetched == 100);
  vmmc_send_handle handle = 0;
  EXPECT(vmmc_send_start(many.data(), nic.address, 32 * kPage, &handle) == VMMC_OK);
  EXPECT(vmmc_send_wait(handle) == VMMC_OK);
  sent = counters();
  EXPECT(sent.host_executor_sends == kWords + 3);
  part.value(kSent) = sent.transfers_sent;
  part.value(kBytesSent) = sent.bytes_sent;
  part.meet();
  part.meet();
  send_word(1, host.address);
  EXPECT(vmmc_unimport(host.address) == VMMC_OK);
  EXPECT(counters().transfers_sent == sent.transfers_sent + 1);
  part.meet();
}

}  // namespace

TEST_CASE("S11.3 the counters of both sides say what was carried, and by whom") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           export_new(64 * kPage, 1);
                           part.meet();
                           part.meet();
                           const vmmc_counters received = counters();
                           // To the receiver an atomic operation is a transfer.
                           EXPECT(received.transfers_received == part.value(kSent) + 1);
                           EXPECT(received.bytes_received == part.value(kBytesSent) + 4);
                           EXPECT(received.host_executor_sends == 0);
                           EXPECT(received.transfers_sent == 0);
                           part.meet();
                           part.meet();
                           // Those of an import that has ended, too.
                           EXPECT(counters().transfers_received == received.transfers_received + 1);
                         },
                         send_and_count});
}

namespace {

constexpr std::uint32_t kRounds = 3000;
constexpr std::size_t kLarge = 80'000;  // a started one of these is nic's

// Everything in the order of the words: after number n all bytes behind the word are n or later.
void send_in_every_way(Part& part) {
  attach();
  part.meet();
  Proxy ways[3];
  EXPECT(import_by(0, 1, VMMC_EXECUTOR_AUTO, &ways[0]) == VMMC_OK);
  EXPECT(import_by(0, 1, VMMC_EXECUTOR_NIC, &ways[1]) == VMMC_OK);
  EXPECT(import_by(0, 1, VMMC_EXECUTOR_HOST, &ways[2]) == VMMC_OK);
  std::vector<std::uint32_t> large(kLarge / 4);
  std::uint32_t found = 0;
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  for (std::uint32_t number = 1; number <= kRounds; ++number) {
    unsigned char* const to = ways[random() % 3].address;
    vmmc_send_handle handle = 0;
    switch (random() % 6) {
      case 0:
        EXPECT(vmmc_send_notify(&number, to + 4, 4, 0) == VMMC_OK);
        break;
      case 1:
        EXPECT(vmmc_send_start(&number, to + 4, 4, &handle) == VMMC_OK);
        break;
      case 2: {
        std::fill(large.begin(), large.end(), number);
        EXPECT(vmmc_send_start(large.data(), to + 4, kLarge, &handle) == VMMC_OK);
        break;
      }
      case 3: {
        std::uint32_t previous = 0;
        EXPECT(vmmc_swap_32(to + 4, number, &previous) == VMMC_OK);
        EXPECT(previous == number - 1);
        break;
      }
      default:
        send_word(number, to + 4);
    }
    // The flag, by another way; and what a fetch by a third finds.
    send_word(number, ways[random() % 3].address);
    if (number % 3 == 0) {
      EXPECT(vmmc_fetch(&found, ways[random() % 3].address + 4, 4) == VMMC_OK);
      EXPECT(found == number);
    }
    if (handle != 0) EXPECT(vmmc_send_wait(handle) == VMMC_OK);
  }
  EXPECT(vmmc_fence() == VMMC_OK);
  const vmmc_counters sent = counters();
  EXPECT(sent.host_executor_sends > 100);
  EXPECT(sent.nic_executor_sends > 100);
}

}  // namespace

TEST_CASE("S11.4 transfers of every kind keep their order, by whichever import they are sent") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           const unsigned char* memory = export_new(32 * kPage, 1);
                           part.meet();
                           std::uint32_t flag = 0;
                           while (flag < kRounds) {
                             flag = look(memory);
                             const std::uint32_t data = look(memory + 4);
                             EXPECT(data >= flag);
                             EXPECT(look(memory) + 1 >= data);
                           }
                         },
                         send_in_every_way});
}

TEST_CASE("S11.5 a sleeper is woken by a host send to its word, and not by others") {
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part& part) {
         attach();
         const unsigned char* memory = export_new(kPage, 1);
         part.meet();
         part.value(0) = static_cast<std::uint64_t>(::gettid());
         EXPECT(vmmc_wait_32(reinterpret_cast<const std::uint32_t*>(memory + 64), VMMC_EQUAL, 1,
                             VMMC_WAIT_BLOCK, kPatience) == VMMC_OK);
         EXPECT(counters().wakeups == 1);
         part.meet();
         for (std::uint32_t i = 1; i <= 300; ++i) {
           EXPECT(vmmc_wait_32(reinterpret_cast<const std::uint32_t*>(memory + 128), VMMC_EQUAL, i,
                               VMMC_WAIT_BLOCK, kPatience) == VMMC_OK);
           part.value(1) = i;
         }
       },
       [](Part& part) {
         attach();
         part.meet();
         const Proxy proxy = import_by_host(0, 1);
         while (part.value(0) == 0) ::usleep(1000);
         while (!vmmc::platform::testing::is_asleep(static_cast<pid_t>(part.value(0).load())))
           ::usleep(1000);
         for (std::uint32_t i = 0; i < 500; ++i) {
           send_word(1, proxy.address + 72);
           send_word(1, proxy.address + 60);
           if (i % 100 == 0) ::usleep(2000);
         }
         send_word(1, proxy.address + 64);
         part.meet();
         for (std::uint32_t i = 1; i <= 300; ++i) {
           send_word(i, proxy.address + 128);
           while (part.value(1) < i) ::usleep(i % 50);
         }
         EXPECT(counters().nic_executor_sends == 0);
       }});
}

TEST_CASE("S11.5 several threads that sleep for several words and buffers are all woken") {
  NicsimProcess nicsim;
  constexpr std::uint32_t kThreads = 4;
  constexpr std::uint32_t kTimes = 400;
  run_processes(
      nicsim,
      {[](Part& part) {
         attach();
         unsigned char* memory[] = {export_new(kPage, 1), export_new(kPage, 2)};
         part.meet();
         std::vector<std::thread> threads;
         for (std::uint32_t number = 0; number < kThreads; ++number) {
           threads.emplace_back([&, number] {
             const auto* word =
                 reinterpret_cast<const std::uint32_t*>(memory[number % 2] + 64 * number);
             for (std::uint32_t i = 1; i <= kTimes; ++i) {
               EXPECT(vmmc_wait_32(word, VMMC_AT_LEAST, i, VMMC_WAIT_BLOCK, kPatience) == VMMC_OK);
               part.value(static_cast<int>(number)) = i;
             }
           });
         }
         for (std::thread& thread : threads) thread.join();
       },
       [](Part& part) {
         attach();
         part.meet();
         const Proxy proxies[] = {import_by_host(0, 1), import_by_host(0, 2)};
         std::vector<std::thread> threads;
         for (std::uint32_t number = 0; number < kThreads; ++number) {
           threads.emplace_back([&, number] {
             for (std::uint32_t i = 1; i <= kTimes; ++i) {
               send_word(i, proxies[number % 2].address + 64 * number);
               while (part.value(static_cast<int>(number)) < i) ::usleep(i % 20);
             }
           });
         }
         for (std::thread& thread : threads) thread.join();
       }});
}

TEST_CASE("S11.9 a send within one's own buffer has the same result by every executor") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  constexpr std::size_t kBytes = 4 * kPage;
                  unsigned char* memory = export_new(kBytes, 1);
                  const auto pattern = [](std::size_t i) {
                    return static_cast<unsigned char>(i * 7 + i / 253);
                  };
                  for (const std::uint32_t executor : {VMMC_EXECUTOR_NIC, VMMC_EXECUTOR_HOST}) {
                    Proxy proxy;
                    EXPECT(import_by(0, 1, executor, &proxy) == VMMC_OK);
                    for (const std::size_t length : {9u, 100u, 700u, 5000u}) {
                      for (const int shift : {-513, -64, -9, -8, -1, 1, 3, 8, 32, 64, 100, 4096}) {
                        std::vector<unsigned char> expected(kBytes);
                        for (std::size_t i = 0; i < kBytes; ++i)
                          expected[i] = memory[i] = pattern(i);
                        const std::size_t from = 1000;
                        const std::size_t to = from + static_cast<std::size_t>(shift);
                        std::memmove(&expected[to], &expected[from], length);
                        EXPECT(vmmc_send(memory + from, proxy.address + to, length) == VMMC_OK);
                        EXPECT(vmmc_fence() == VMMC_OK);
                        EXPECT(std::memcmp(memory, expected.data(), kBytes) == 0);
                        for (std::size_t i = 0; i < kBytes; ++i)
                          expected[i] = memory[i] = pattern(i);
                        std::memmove(&expected[to], &expected[from], length);
                        EXPECT(vmmc_fetch(memory + to, proxy.address + from, length) == VMMC_OK);
                        EXPECT(std::memcmp(memory, expected.data(), kBytes) == 0);
                      }
                    }
                    EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
                  }
                }});
}
