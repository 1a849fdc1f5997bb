// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#include "tests/conformance/conformance.h"

using namespace vmmc::testing;

TEST_CASE("S4.1 S4.2 S4.3 S4.5 any readable memory, any alignment, reusable on return") {
  NicsimProcess nicsim;
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  run_processes(nicsim, {[seed](Part&) {
                  std::mt19937 random(seed);
                  constexpr std::size_t kLength = 2'000'000;
                  attach();
                  unsigned char* target = export_new(kLength, 1);
                  Proxy proxy = import_from(0, 1);
                  std::vector<unsigned char> heap(kLength);
                  auto* allocated = static_cast<unsigned char*>(allocate(kLength));
                  static const unsigned char constants[3000] = {1, 2, 3, 4, 5};
                  unsigned char stack[3000];
                  for (int round = 0; round < 300; ++round) {
                    const auto kind = static_cast<int>(random() % 4);
                    const std::size_t limit = kind < 2 ? kLength : sizeof stack;
                    const std::size_t length = 1 + random() % (limit - 1) / (1 + random() % 2000);
                    const std::size_t from = random() % (limit - length + 1);
                    const std::size_t to = random() % (kLength - length + 1);
                    unsigned char* writable = kind == 0   ? heap.data() + from
                                              : kind == 1 ? allocated + from
                                                          : stack + from;
                    const unsigned char* source = kind == 3 ? constants + from : writable;
                    if (kind != 3) {
                      for (std::size_t i = 0; i < length; i += 1 + length / 500) {
                        writable[i] = static_cast<unsigned char>(random());
                      }
                    }
                    const std::vector<unsigned char> expected(source, source + length);
                    EXPECT(vmmc_send(source, proxy.address + to, length) == VMMC_OK);
                    if (kind != 3) std::memset(writable, 0xee, length);  // may be reused
                    EXPECT(vmmc_fence() == VMMC_OK);
                    EXPECT(std::memcmp(target + to, expected.data(), length) == 0);
                  }
                }});
}

TEST_CASE("S4.4 first and last byte in one proxy, or nothing moves") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        unsigned char* memory = export_new(8192, 1);
        export_new(8192, 2);
        Proxy proxy = import_from(0, 1);
        Proxy next = import_from(0, 2);
        const std::vector<unsigned char> ones(30000, 1);
        const auto refused = [&](unsigned char* to, std::size_t length) {
          return vmmc_send(ones.data(), to, length) == VMMC_ERR_OUTSIDE_PROXY;
        };
        EXPECT(refused(proxy.address + 8192 - 1, 2));
        EXPECT(refused(proxy.address + 8192, 1));
        EXPECT(refused(proxy.address - 1, 1));
        EXPECT(refused(proxy.address, 8193));
        EXPECT(refused(proxy.address, 16384));  // ends in the other proxy
        EXPECT(refused(next.address + 8191, 30000 - 8191));
        EXPECT(refused(memory, 4));  // no proxy at all
        EXPECT(refused(nullptr, 4));
        EXPECT(vmmc_send(ones.data(), proxy.address, 0) == VMMC_ERR_ZERO_LENGTH);
        EXPECT(vmmc_send(ones.data(), proxy.address, SIZE_MAX) == VMMC_ERR_LENGTH_OVERFLOW);
        EXPECT(vmmc_send(nullptr, proxy.address, 4) == VMMC_ERR_INVALID_ARGUMENT);
        EXPECT(vmmc_fence() == VMMC_OK);
        for (int i = 0; i < 8192; ++i) EXPECT(memory[i] == 0);
      }});
}

TEST_CASE(
    "S4.6 a flag sent after the data is seen after the data, whatever the sizes and sources") {
  NicsimProcess nicsim;
  constexpr std::size_t kMax = 600'000;
  constexpr std::uint32_t kRounds = 300;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* buffer = export_new(kMax + 64, 1);
                           Proxy answer = import_from(1, 2);
                           part.meet();
                           for (std::uint32_t round = 1; round <= kRounds; ++round) {
                             await(buffer + kMax, round);
                             const std::uint32_t length = look(buffer + kMax + 4);
                             const auto value = static_cast<unsigned char>(round);
                             for (std::uint32_t i = 0; i < length; ++i) EXPECT(buffer[i] == value);
                             send_word(round, answer.address);
                           }
                           EXPECT(vmmc_fence() == VMMC_OK);
                         },
                         [](Part& part) {
                           attach();
                           std::mt19937 random(1);
                           unsigned char* answer = export_new(64, 2);
                           Proxy proxy = import_from(0, 1);
                           auto* registered = static_cast<unsigned char*>(allocate(kMax));
                           std::vector<unsigned char> ordinary(kMax);
                           part.meet();
                           for (std::uint32_t round = 1; round <= kRounds; ++round) {
                             const auto length = static_cast<std::uint32_t>(
                                 1 + random() % kMax / (1 + random() % 3000));
                             unsigned char* source = round % 2 == 0 ? registered : ordinary.data();
                             std::memset(source, static_cast<int>(round & 255), length);
                             EXPECT(vmmc_send(source, proxy.address, length) == VMMC_OK);
                             send_word(length, proxy.address + kMax + 4);
                             send_word(round, proxy.address + kMax);
                             await(answer, round);
                           }
                         }});
}

TEST_CASE("S4.6 a flag sent after the data is seen after it, however the data travels") {
  constexpr std::size_t kLength = 300'000;
  constexpr std::size_t kFlag = 400'000;
  constexpr std::uint32_t kRounds = 300;
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part&) {
         attach();
         unsigned char* memory = export_new(1 << 20, 1);
         Proxy answer = import_from(1, 2);
         for (std::uint32_t round = 1; round <= kRounds; ++round) {
           await(memory + kFlag, round);
           std::uint32_t length = 0;
           std::memcpy(&length, memory + kFlag + 8, sizeof length);
           const auto expected = static_cast<unsigned char>(round);
           EXPECT(std::count(memory, memory + length, expected) == static_cast<long>(length));
           send_word(round, answer.address);
         }
         EXPECT(vmmc_fence() == VMMC_OK);
       },
       [](Part&) {
         attach();
         unsigned char* memory = export_new(64, 2);
         Proxy proxy = import_from(0, 1);
         std::vector<unsigned char> heap(kLength);
         auto* mapped = static_cast<unsigned char*>(allocate(kLength));
         for (std::uint32_t round = 1; round <= kRounds; ++round) {
           const std::uint32_t length = 1 + round * 7919 % (round % 3 == 0 ? kLength : 3000);
           unsigned char* source = round % 2 == 0 ? heap.data() : mapped;
           std::memset(source, static_cast<int>(round % 256), length);
           vmmc_send_handle handle = 0;
           if (round % 5 < 2) {
             EXPECT(vmmc_send_start(source, proxy.address, length, &handle) == VMMC_OK);
           } else {
             EXPECT(vmmc_send(source, proxy.address, length) == VMMC_OK);
           }
           send_word(length, proxy.address + kFlag + 8);
           send_word(round, proxy.address + kFlag);
           if (handle != 0) EXPECT(vmmc_send_wait(handle) == VMMC_OK);
           await(memory, round);
         }
       }});
}

TEST_CASE("S4.6 S9.2 what a process sends to a buffer by several imports stands in one order") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        export_new(4096, 1);
        Proxy first = import_by(VMMC_EXECUTOR_NIC, 0, 1);
        Proxy other = import_by(VMMC_EXECUTOR_AUTO, 0, 1, VMMC_READ | VMMC_WRITE);
        for (std::uint32_t round = 1; round <= 3000; ++round) {
          // By nicsim, with or without something to do for the other import, too.
          send_word(3 * round, first.address);
          if (round % 2 == 0) send_word(0, first.address + 8);
          send_word(3 * round + 1, other.address);
          std::uint32_t seen = 0;
          EXPECT(vmmc_fetch(&seen, other.address, 4) == VMMC_OK);
          EXPECT(seen == 3 * round + 1);
          EXPECT(vmmc_fence() == VMMC_OK);
          EXPECT(vmmc_fetch(&seen, other.address, 4) == VMMC_OK);
          EXPECT(seen == 3 * round + 1);
          // An import that begins while something is under way by another one.
          if (round % 100 != 0) continue;
          for (int i = 0; i < 20; ++i) send_word(3 * round + 2, first.address);
          Proxy late = import_from(0, 1);
          send_word(3 * round, late.address);
          EXPECT(vmmc_fence() == VMMC_OK);
          EXPECT(vmmc_fetch(&seen, other.address, 4) == VMMC_OK);
          EXPECT(seen == 3 * round);
          EXPECT(vmmc_unimport(round % 200 == 0 ? late.address : other.address) == VMMC_OK);
          if (round % 200 != 0) {
            EXPECT(vmmc_unimport(late.address) == VMMC_OK);
            other = import_by(VMMC_EXECUTOR_AUTO, 0, 1, VMMC_READ | VMMC_WRITE);
          }
        }
      }});
}

TEST_CASE("S4.7 aligned words become visible whole") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   auto* words = reinterpret_cast<std::uint64_t*>(export_new(4096, 1));
                   part.meet();
                   std::uint64_t value = 0;
                   while (value != 0xffffffff'ffffffff) {
                     for (int i = 0; i < 16; ++i) {
                       value = __atomic_load_n(words + i, __ATOMIC_RELAXED);
                       EXPECT(static_cast<std::uint32_t>(value) == value >> 32);
                     }
                     keep_looking();
                   }
                 },
                 [](Part& part) {
                   attach();
                   Proxy proxy = import_from(0, 1);
                   part.meet();
                   std::uint64_t words[16];
                   for (std::uint64_t n = 1; n <= 20001; ++n) {
                     const std::uint64_t half = n == 20001 ? 0xffffffff : n;
                     for (auto& word : words) word = half << 32 | half;
                     EXPECT(vmmc_send(words, proxy.address, n % 2 == 0 ? 128 : 24) == VMMC_OK);
                     if (n == 20001) EXPECT(vmmc_send(words, proxy.address, 128) == VMMC_OK);
                   }
                   EXPECT(vmmc_fence() == VMMC_OK);
                 }});
}

TEST_CASE("S4.8 started sends complete, in any number") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  constexpr std::size_t kPiece = 10000;
                  unsigned char* target = export_new(1000 * kPiece, 1);
                  Proxy proxy = import_from(0, 1);
                  auto* source = static_cast<unsigned char*>(allocate(1000 * kPiece));
                  std::vector<vmmc_send_handle> handles(1000);
                  for (std::size_t i = 0; i < 1000; ++i) {
                    std::memset(source + i * kPiece, static_cast<int>(i % 251), kPiece);
                    EXPECT(vmmc_send_start(source + i * kPiece, proxy.address + i * kPiece, kPiece,
                                           &handles[i]) == VMMC_OK);
                  }
                  EXPECT(vmmc_send_wait(handles[999]) == VMMC_OK);
                  for (const vmmc_send_handle handle : handles) {
                    EXPECT(vmmc_send_test(handle) == VMMC_OK);
                  }
                  EXPECT(std::memcmp(source, target, 1000 * kPiece) == 0);
                  EXPECT(vmmc_send_test(handles[999] + 1000000) == VMMC_ERR_BAD_HANDLE);
                }});
}

TEST_CASE("S4.12 a bad source that nicsim reads is an error of the send, and of no fence") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* memory = export_new(1 << 20, 1);
                  Proxy proxy = import_by(VMMC_EXECUTOR_NIC, 0, 1);
                  void* hole =
                      ::mmap(nullptr, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                  vmmc_send_handle handle = 0;
                  EXPECT(vmmc_send_start(hole, proxy.address, 1 << 20, &handle) == VMMC_OK);
                  EXPECT(vmmc_send_wait(handle) == VMMC_ERR_BAD_SOURCE);
                  EXPECT(vmmc_fence() == VMMC_OK);
                  send_word(1, proxy.address);
                  await(memory, 1);
                }});
}

static sigjmp_buf after_fault;

TEST_CASE("S4.12 a bad source that the library reads faults as a load does, and breaks nothing") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* memory = export_new(1 << 20, 1);
                  Proxy proxy = import_from(0, 1);
                  void* hole =
                      ::mmap(nullptr, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                  ::signal(SIGSEGV, [](int) { ::siglongjmp(after_fault, 1); });
                  std::vector<unsigned char> big(1 << 16);
                  for (const std::size_t length : {4, 40, 100, 10000, 1 << 16, 1 << 20}) {
                    static int round;  // not lost by the jump
                    for (round = 0; round < 80; ++round) {
                      if (sigsetjmp(after_fault, 1) != 0) continue;
                      (void)vmmc_send(hole, proxy.address, length);
                      EXPECT(!"the send returned");
                    }
                    // Those that were left hold nothing that others need.
                    EXPECT(vmmc_send(big.data(), proxy.address + 8, big.size()) == VMMC_OK);
                    send_word(static_cast<std::uint32_t>(length), proxy.address);
                    await(memory, static_cast<std::uint32_t>(length));
                  }
                  EXPECT(vmmc_fence() == VMMC_OK);
                }});
}

TEST_CASE("S4.9 what no send could report is reported by the next fence, once") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           export_new(4096, 1);
                           part.meet();  // imported
                           part.meet();  // sent
                           EXPECT(vmmc_unexport(1) == VMMC_OK);
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           Proxy proxy = import_from(0, 1);
                           part.meet();
                           send_word(1, proxy.address);
                           EXPECT(vmmc_fence() == VMMC_OK);
                           part.meet();
                           // Until the unexport is known here, sends return VMMC_OK.
                           const std::uint32_t word = 2;
                           while (vmmc_send(&word, proxy.address, 4) == VMMC_OK) continue;
                           part.meet();
                           const int first = vmmc_fence();
                           vmmc_counters counters;
                           EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
                           const bool refused = counters.transfers_refused > 0;
                           EXPECT(first == (refused ? VMMC_ERR_UNEXPORTED : VMMC_OK));
                           EXPECT(vmmc_fence() == VMMC_OK);
                         }});
}

TEST_CASE("S4.10 sends to a dead exporter fail") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           export_new(4096, 1);
                           part.meet();
                           part.meet();
                           part.die();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           Proxy proxy = import_from(0, 1);
                           part.meet();
                           const std::uint32_t word = 1;
                           int status = VMMC_OK;
                           while (status == VMMC_OK) status = vmmc_send(&word, proxy.address, 4);
                           EXPECT(status == VMMC_ERR_PEER_DEAD);
                           const int fence = vmmc_fence();
                           EXPECT(fence == VMMC_OK || fence == VMMC_ERR_PEER_DEAD);
                           EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
                           unsigned char* own = export_new(64, 2);
                           Proxy self = import_from(1, 2);
                           send_word(4, self.address);
                           await(own, 4);
                         }});
}

TEST_CASE("S4.11 any thread may send" * doctest::skip(needs_real_time())) {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        constexpr std::uint32_t kThreads = 4;
        constexpr std::uint32_t kSends = 20000;
        auto* words = reinterpret_cast<std::uint32_t*>(export_new(4096, 1));
        Proxy proxy = import_from(0, 1);
        std::vector<std::thread> threads;
        for (std::uint32_t t = 0; t < kThreads; ++t) {
          threads.emplace_back([&, t] {
            for (std::uint32_t i = 1; i <= kSends; ++i) {
              const std::uint32_t pair[2] = {i, i};
              EXPECT(vmmc_send(pair, proxy.address + 8 * t, 8) == VMMC_OK);
              if (i % 5000 == 0) EXPECT(vmmc_fence() == VMMC_OK);
            }
          });
        }
        for (auto& thread : threads) thread.join();
        EXPECT(vmmc_fence() == VMMC_OK);
        for (std::uint32_t i = 0; i < 2 * kThreads; ++i) EXPECT(words[i] == kSends);
        vmmc_counters counters;
        EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
        EXPECT(counters.transfers_sent == kThreads * kSends);
        EXPECT(counters.nic_executor_sends + counters.host_executor_sends == kThreads * kSends);
      }});
}
