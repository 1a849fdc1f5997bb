// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/word_wait.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "tests/support/processes/run_processes.h"
#include "vmmc/vmmc.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint64_t kPatience = 30'000'000'000;

std::uint32_t* export_words(std::size_t count, std::uint32_t id) {
  void* memory = nullptr;
  EXPECT(vmmc_alloc(count * sizeof(std::uint32_t), &memory) == VMMC_OK);
  EXPECT(vmmc_export(memory, count * sizeof(std::uint32_t), id, nullptr) == VMMC_OK);
  return static_cast<std::uint32_t*>(memory);
}

std::uint32_t* import_words(std::uint32_t process, std::uint32_t id) {
  void* proxy = nullptr;
  EXPECT(vmmc_import({process % 4, process}, id, nullptr, &proxy, nullptr) == VMMC_OK);
  return static_cast<std::uint32_t*>(proxy);
}

void block_until(const std::uint32_t* word, std::uint32_t value) {
  EXPECT(vmmc_wait_32(word, VMMC_EQUAL, value, VMMC_WAIT_BLOCK, kPatience) == VMMC_OK);
}

void send(std::uint32_t value, std::uint32_t* proxy) {
  EXPECT(vmmc_send(&value, proxy, sizeof value) == VMMC_OK);
}

std::uint64_t wakeups() {
  vmmc_counters counters;
  EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
  return counters.wakeups;
}

}  // namespace

TEST_CASE("a sleeper is woken for the word that it waits for, and for no other") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                           EXPECT(vmmc_init(nullptr) == VMMC_OK);
                           std::uint32_t* words = export_words(4096, 1);
                           const std::uint64_t before = wakeups();
                           block_until(words, 1);
                           EXPECT(words[4000] == 500);
                           EXPECT(wakeups() - before <= 1);
                         },
                         [](Part&) {
                           EXPECT(vmmc_init(nullptr) == VMMC_OK);
                           std::uint32_t* proxy = import_words(0, 1);
                           for (std::uint32_t i = 1; i <= 500; ++i) {
                             send(i, proxy + 4000);
                             EXPECT(vmmc_fence() == VMMC_OK);
                           }
                           send(1, proxy);
                           EXPECT(vmmc_fence() == VMMC_OK);
                         }});
}

TEST_CASE("its own sends do not wake a process that waits for an answer") {
  constexpr std::uint32_t kRounds = 200;
  NicsimProcess nicsim;
  const auto part = [](Part& self) {
    EXPECT(vmmc_init(nullptr) == VMMC_OK);
    const std::uint32_t other = 1 - self.number();
    std::uint32_t* words = export_words(16, 1);
    std::uint32_t* proxy = import_words(other, 1);
    const std::uint64_t before = wakeups();
    for (std::uint32_t round = 1; round <= kRounds; ++round) {
      if (self.number() == 0) send(round, proxy);
      block_until(words, round);
      if (self.number() == 1) send(round, proxy);
    }
    EXPECT(wakeups() - before <= kRounds);
    EXPECT(vmmc_fence() == VMMC_OK);
    self.meet();
  };
  run_processes(nicsim, {part, part});
}

TEST_CASE("a sleeper is found although its buffer was exported anew meanwhile") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  EXPECT(vmmc_init(nullptr) == VMMC_OK);
                  std::vector<std::uint32_t> memory(8192);
                  EXPECT(vmmc_export(memory.data(), 32768, 1, nullptr) == VMMC_OK);
                  std::thread sleeper([&] { block_until(&memory[4000], 1); });
                  ::usleep(100'000);
                  for (int i = 0; i < 3; ++i) {
                    EXPECT(vmmc_unexport(1) == VMMC_OK);
                    EXPECT(vmmc_export(memory.data(), 32768, 1, nullptr) == VMMC_OK);
                  }
                  send(1, import_words(0, 1) + 4000);
                  sleeper.join();
                }});
}

TEST_CASE("several sleepers of one process all find their words") {
  constexpr std::uint32_t kThreads = 5;
  constexpr std::uint32_t kRounds = 100;
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           EXPECT(vmmc_init(nullptr) == VMMC_OK);
                           std::uint32_t* words = export_words(64 * kThreads, 1);
                           std::uint32_t* answers = import_words(1, 2);
                           std::vector<std::thread> threads;
                           for (std::uint32_t t = 0; t < kThreads; ++t) {
                             threads.emplace_back([=] {
                               for (std::uint32_t round = 1; round <= kRounds; ++round) {
                                 block_until(words + 64 * t, round);
                                 send(round, answers + t);
                               }
                             });
                           }
                           for (std::thread& thread : threads) thread.join();
                           EXPECT(vmmc_fence() == VMMC_OK);
                           part.meet();
                         },
                         [](Part& part) {
                           EXPECT(vmmc_init(nullptr) == VMMC_OK);
                           std::uint32_t* proxy = import_words(0, 1);
                           std::uint32_t* answers = export_words(kThreads, 2);
                           for (std::uint32_t round = 1; round <= kRounds; ++round) {
                             for (std::uint32_t t = 0; t < kThreads; ++t) {
                               send(round, proxy + 64 * t);
                             }
                             for (std::uint32_t t = 0; t < kThreads; ++t) {
                               block_until(answers + t, round);
                             }
                           }
                           part.meet();
                         }});
}
