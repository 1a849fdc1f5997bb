// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Redirection while messages are under way: waiting at the place they are led to, changing it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#include "tests/conformance/remote_access_helpers.h"

using namespace vmmc::testing;

namespace {

constexpr vmmc_wait_strategy kStrategies[] = {VMMC_WAIT_ADAPTIVE, VMMC_WAIT_SPIN, VMMC_WAIT_PAUSE,
                                              VMMC_WAIT_YIELD, VMMC_WAIT_BLOCK};
constexpr int kOver = 0;  // index of Part::value

unsigned char* export_redirectable(std::size_t length, std::uint32_t id) {
  void* memory = allocate(length);
  vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
  options.redirectable = 1;
  EXPECT(vmmc_export(memory, length, id, &options) == VMMC_OK);
  return static_cast<unsigned char*>(memory);
}

int wait_at(const unsigned char* word, std::uint32_t value, vmmc_wait_strategy strategy) {
  return vmmc_wait_32(reinterpret_cast<const std::uint32_t*>(word), VMMC_EQUAL, value, strategy,
                      kPatience);
}

int wait_long_at(const unsigned char* word, std::uint64_t value, vmmc_wait_strategy strategy) {
  return vmmc_wait_64(reinterpret_cast<const std::uint64_t*>(word), VMMC_EQUAL, value, strategy,
                      kPatience);
}

}  // namespace

TEST_CASE("S9.5 S5.1 S5.2 waiting for a word where a redirection leads, by every strategy") {
  constexpr std::size_t kData = 100'000;
  constexpr std::uint32_t kRounds = 10 * std::size(kStrategies);
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part&) {
         attach();
         unsigned char* memory = export_redirectable(kData + 16, 1);
         const Proxy answer = import_from(1, 2);
         std::vector<std::uint64_t> room(kData / 8 + 700);
         for (std::uint32_t round = 1; round <= kRounds; ++round) {
           const auto strategy = kStrategies[round % std::size(kStrategies)];
           auto* place = reinterpret_cast<unsigned char*>(&room[round]);
           const std::size_t length = kData + (round % 2 == 0 ? 16 : 8);
           EXPECT(vmmc_redirect(1, 0, length, place, nullptr) == VMMC_OK);
           send_word(round, answer.address);
           EXPECT(wait_at(place + kData, round, strategy) == VMMC_OK);
           const auto value = static_cast<unsigned char>(round);
           EXPECT(std::all_of(place, place + kData, [value](auto byte) { return byte == value; }));
           // the second word is outside of every other redirection
           const unsigned char* second = round % 2 == 0 ? place : memory;
           EXPECT(wait_long_at(second + kData + 8, round, strategy) == VMMC_OK);
           EXPECT(vmmc_end_redirection(1, 0, nullptr) == VMMC_OK);
         }
         EXPECT(vmmc_fence() == VMMC_OK);
       },
       [](Part&) {
         attach();
         unsigned char* answer = export_new(64, 2);
         const Proxy proxy = import_from(0, 1);
         for (std::uint64_t round = 1; round <= kRounds; ++round) {
           await(answer, static_cast<std::uint32_t>(round));
           if (round % 3 == 0) ::usleep(2'000);  // so that it sleeps
           const std::vector<unsigned char> data(kData, static_cast<unsigned char>(round));
           EXPECT(vmmc_send(data.data(), proxy.address, kData) == VMMC_OK);
           send_word(static_cast<std::uint32_t>(round), proxy.address + kData);
           EXPECT(vmmc_send(&round, proxy.address + kData + 8, 8) == VMMC_OK);
         }
         EXPECT(vmmc_fence() == VMMC_OK);
       }});
}

TEST_CASE("S9.5 S5.3 one who sleeps on a word is woken when a redirection copies it there") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* memory = export_redirectable(4096, 1);
                  const Proxy proxy = import_from(0, 1);
                  auto* place = static_cast<unsigned char*>(allocate(4096));
                  for (std::uint32_t round = 1; round <= 20; ++round) {
                    send_word(round, proxy.address + 8);
                    EXPECT(vmmc_fence() == VMMC_OK);
                    EXPECT(look(memory + 8) == round);
                    std::thread sleeper(
                        [&] { EXPECT(wait_at(place + 8, round, VMMC_WAIT_BLOCK) == VMMC_OK); });
                    ::usleep(round % 4 * 1'500);
                    std::size_t copied = 0;
                    EXPECT(vmmc_redirect(1, 0, 4096, place, &copied) == VMMC_OK);
                    EXPECT(copied == 4);
                    sleeper.join();
                    EXPECT(vmmc_end_redirection(1, 0, nullptr) == VMMC_OK);
                  }
                }});
}

namespace {

constexpr std::size_t kWords = 3000;

// Sends the same value in every word of the buffer, and a larger one each time.
void send_rising_values(Part& part) {
  attach();
  const Proxy proxy = import_from(0, 1);
  auto* mapped = static_cast<std::uint32_t*>(allocate(4 * kWords));
  std::vector<std::uint32_t> heap(kWords);
  part.meet();
  for (std::uint32_t value = 1; part.value(kOver).load() == 0; ++value) {
    std::uint32_t* const words = value % 2 == 0 ? heap.data() : mapped;
    std::fill_n(words, kWords, value);
    const std::size_t half = value % (kWords - 1) + 1;
    EXPECT(vmmc_send(words, proxy.address, 4 * half) == VMMC_OK);
    EXPECT(vmmc_send(words + half, proxy.address + 4 * half, 4 * (kWords - half)) ==
           (half == kWords ? VMMC_ERR_ZERO_LENGTH : VMMC_OK));
  }
  EXPECT(vmmc_fence() == VMMC_OK);
  part.meet();
}

// What a word shows, now in the buffer and now elsewhere, never goes back.
void redirect_under_way(Part& part, unsigned seed) {
  attach();
  unsigned char* memory = export_redirectable(4 * kWords, 1);
  std::vector<std::uint32_t> room(kWords + 2048);
  std::vector<std::uint32_t> seen(kWords);
  std::mt19937 random(seed);
  const auto watch = [&](const unsigned char* words, std::size_t first, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t now = look(words + 4 * i);
      EXPECT(now >= seen[first + i]);
      seen[first + i] = now;
    }
  };
  part.meet();
  for (int round = 0; round < 700; ++round) {
    const std::size_t count = 1 + random() % kWords;
    const std::size_t first = random() % (kWords - count + 1);
    unsigned char* const source = memory + 4 * first;
    auto* const place = reinterpret_cast<unsigned char*>(&room[random() % (room.size() - count)]);
    std::memset(place, 0, 4 * count);
    // Until every word has come to the buffer since it was redirected last.
    for (std::size_t i = 0; i < count; ++i) {
      while (look(source + 4 * i) <= seen[first + i]) ::sched_yield();
    }
    watch(source, first, count);
    std::size_t copied = 0;
    EXPECT(vmmc_redirect(1, 4 * first, 4 * count, place, &copied) == VMMC_OK);
    EXPECT(copied == 4 * count);
    watch(place, first, count);
    for (int look_again = static_cast<int>(random() % 4); look_again > 0; --look_again) {
      ::usleep(50);
      watch(place, first, count);
    }
    EXPECT(vmmc_end_redirection(1, 4 * first, nullptr) == VMMC_OK);
    const std::vector<unsigned char> settled(place, place + 4 * count);
    watch(place, first, count);
    EXPECT(std::memcmp(place, settled.data(), 4 * count) == 0);
  }
  part.value(kOver).store(1);
  part.meet();
}

}  // namespace

TEST_CASE("S9.5 S9.6 redirections come and go under a continuous sender; no word goes back") {
  NicsimProcess nicsim;
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  run_processes(nicsim,
                {[seed](Part& part) { redirect_under_way(part, seed); }, send_rising_values});
}
