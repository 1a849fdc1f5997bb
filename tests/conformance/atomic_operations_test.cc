// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "tests/conformance/remote_access_helpers.h"

using namespace vmmc::testing;

namespace {

using Body = std::function<void(Part&)>;
constexpr std::uint32_t kAskers = 4;

// Part 0 exports 4096 bytes as buffer 1 and does its share of the work itself; parts 1 to 4 ask for
// theirs through a proxy. They all begin at once.
void run_with_askers(const std::function<void(Part&, unsigned char* memory)>& exporter,
                     const std::function<void(Part&, const Proxy&)>& asker,
                     const std::function<void(Part&, unsigned char* memory)>& check) {
  NicsimProcess nicsim;
  std::vector<Body> parts{[=](Part& part) {
    attach();
    unsigned char* memory = export_new(4096, 1);
    part.meet();
    exporter(part, memory);
    part.meet();
    check(part, memory);
  }};
  for (std::uint32_t i = 0; i < kAskers; ++i) {
    parts.push_back([=](Part& part) {
      attach();
      const Proxy proxy = import_for(0, 1);
      part.meet();
      asker(part, proxy);
      part.meet();
    });
  }
  run_processes(nicsim, std::move(parts));
}

template <typename Word>
std::atomic_ref<Word> word_at(unsigned char* address) {
  return std::atomic_ref<Word>(*reinterpret_cast<Word*>(address));
}

}  // namespace

TEST_CASE("S10.1 fetch-and-add of four processes and the exporter: the sum is exact" *
          doctest::skip(needs_real_time())) {
  constexpr std::uint32_t kRounds = 20'000;
  run_with_askers(
      [](Part&, unsigned char* memory) {
        for (std::uint32_t i = 0; i < 10 * kRounds; ++i) {
          word_at<std::uint32_t>(memory).fetch_add(1);
          word_at<std::uint64_t>(memory + 8).fetch_add(0x1'0000'0003);
        }
      },
      [](Part&, const Proxy& proxy) {
        const auto add = [&] {
          std::uint32_t last = 0;
          for (std::uint32_t i = 0; i < kRounds / 2; ++i) {
            std::uint32_t previous = 0;
            EXPECT(vmmc_fetch_add_32(proxy.address, 1, &previous) == VMMC_OK);
            EXPECT((i == 0 || previous > last));  // there is our own in between
            last = previous;
            EXPECT(vmmc_fetch_add_64(proxy.address + 8, 0x1'0000'0003, nullptr) == VMMC_OK);
          }
        };
        std::thread other(add);
        add();
        other.join();
        EXPECT(counters().atomics == 2 * kRounds);
      },
      [](Part&, unsigned char* memory) {
        constexpr std::uint64_t kAll = (10 + kAskers) * std::uint64_t{kRounds};
        EXPECT(word_at<std::uint32_t>(memory).load() == kAll);
        EXPECT(word_at<std::uint32_t>(memory + 4).load() == 0);
        EXPECT(word_at<std::uint64_t>(memory + 8).load() == kAll * 0x1'0000'0003);
        EXPECT(word_at<std::uint64_t>(memory + 16).load() == 0);
      });
}

TEST_CASE("S10.1 swap: every value that was put in is taken out once") {
  constexpr std::uint64_t kRounds = 5'000;
  // What was put in and not taken out is what the word holds, in sum and in sum of squares.
  const auto swap_all = [](Part& part, const std::function<std::uint64_t(std::uint64_t)>& swap) {
    std::uint64_t sum = 0;
    std::uint64_t squares = 0;
    for (std::uint64_t i = 1; i <= kRounds; ++i) {
      const std::uint64_t mine = i * (kAskers + 1) + part.number();
      const std::uint64_t taken = swap(mine);
      sum += mine - taken;
      squares += mine * mine - taken * taken;
    }
    part.value(0).fetch_add(sum);
    part.value(1).fetch_add(squares);
  };
  run_with_askers(
      [&](Part& part, unsigned char* memory) {
        swap_all(part, [memory](std::uint64_t mine) {
          return word_at<std::uint64_t>(memory).exchange(mine);
        });
      },
      [&](Part& part, const Proxy& proxy) {
        swap_all(part, [&proxy](std::uint64_t mine) {
          std::uint64_t taken = 0;
          EXPECT(vmmc_swap_64(proxy.address, mine, &taken) == VMMC_OK);
          return taken;
        });
      },
      [](Part& part, unsigned char* memory) {
        const std::uint64_t last = word_at<std::uint64_t>(memory).load();
        EXPECT(part.value(0).load() == last);
        EXPECT(part.value(1).load() == last * last);
      });
}

TEST_CASE("S10.1 S9.2 a lock of compare-and-swap guards plain words, fetched and sent" *
          doctest::skip(needs_real_time())) {
  constexpr std::uint32_t kRounds = 300;
  run_with_askers(
      [](Part&, unsigned char* memory) {
        for (std::uint32_t i = 0; i < kRounds; ++i) {
          for (std::uint32_t free = 0;
               !word_at<std::uint32_t>(memory).compare_exchange_strong(free, 99); free = 0) {
            ::usleep(20);
          }
          const std::uint64_t count = word_at<std::uint64_t>(memory + 64).load() + 1;
          word_at<std::uint64_t>(memory + 64).store(count);
          word_at<std::uint64_t>(memory + 2048).store(count);
          word_at<std::uint32_t>(memory).store(0);
        }
      },
      [](Part& part, const Proxy& proxy) {
        for (std::uint32_t i = 0; i < kRounds; ++i) {
          std::uint32_t holder = 1;
          for (;;) {
            EXPECT(vmmc_compare_swap_32(proxy.address, 0, part.number(), &holder) == VMMC_OK);
            if (holder == 0) break;
            EXPECT(holder <= 99);
            EXPECT(holder != part.number());
            ::usleep(20);
          }
          std::uint64_t count[2] = {};
          EXPECT(vmmc_fetch(&count[0], proxy.address + 64, 8) == VMMC_OK);
          EXPECT(vmmc_fetch(&count[1], proxy.address + 2048, 8) == VMMC_OK);
          EXPECT(count[0] == count[1]);
          ++count[0];
          EXPECT(vmmc_send(&count[0], proxy.address + 64, 8) == VMMC_OK);
          EXPECT(vmmc_send(&count[0], proxy.address + 2048, 8) == VMMC_OK);
          EXPECT(vmmc_swap_32(proxy.address, 0, &holder) == VMMC_OK);  // after the sends
          EXPECT(holder == part.number());
        }
      },
      [](Part&, unsigned char* memory) {
        EXPECT(word_at<std::uint64_t>(memory + 64).load() == (kAskers + 1) * kRounds);
        EXPECT(word_at<std::uint64_t>(memory + 2048).load() == (kAskers + 1) * kRounds);
        EXPECT(word_at<std::uint32_t>(memory).load() == 0);
      });
}

TEST_CASE("S10.1 results and words of each operation, of both widths") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* memory = export_new(64, 1);
                  std::memset(memory, 0xff, 64);
                  const auto narrow = word_at<std::uint32_t>(memory + 4);
                  const auto wide = word_at<std::uint64_t>(memory + 16);
                  const Proxy proxy = import_for(0, 1);
                  unsigned char* const first = proxy.address + 4;
                  unsigned char* const second = proxy.address + 16;
                  std::uint32_t was32 = 0;
                  std::uint64_t was64 = 0;
                  EXPECT(vmmc_fetch_add_32(first, 3, &was32) == VMMC_OK);  // wraps around
                  EXPECT((was32 == UINT32_MAX && narrow == 2));
                  EXPECT(vmmc_fetch_add_64(second, 6, &was64) == VMMC_OK);
                  EXPECT((was64 == UINT64_MAX && wide == 5));
                  EXPECT(vmmc_swap_32(first, 77, &was32) == VMMC_OK);
                  EXPECT((was32 == 2 && narrow == 77));
                  EXPECT(vmmc_swap_64(second, UINT64_MAX - 1, &was64) == VMMC_OK);
                  EXPECT((was64 == 5 && wide == UINT64_MAX - 1));
                  EXPECT(vmmc_compare_swap_32(first, 78, 1, &was32) == VMMC_OK);
                  EXPECT((was32 == 77 && narrow == 77));
                  EXPECT(vmmc_compare_swap_32(first, 77, 1, &was32) == VMMC_OK);
                  EXPECT((was32 == 77 && narrow == 1));
                  // differs in the upper half only
                  EXPECT(vmmc_compare_swap_64(second, 0xffff'fffe, 9, &was64) == VMMC_OK);
                  EXPECT((was64 == UINT64_MAX - 1 && wide == UINT64_MAX - 1));
                  EXPECT(vmmc_compare_swap_64(second, UINT64_MAX - 1, 9, nullptr) == VMMC_OK);
                  EXPECT(wide == 9);
                  for (int i = 0; i < 64; ++i) {
                    const bool changed = (i >= 4 && i < 8) || (i >= 16 && i < 24);
                    EXPECT((changed || memory[i] == 0xff));
                  }
                  EXPECT(counters().atomics == 8);
                }});
}

TEST_CASE("S10.1 an atomic operation needs both rights and a naturally aligned word") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  unsigned char* memory = export_new(64, 1);
                  const Proxy reader = import_for(0, 1, VMMC_READ);
                  const Proxy writer = import_for(0, 1, VMMC_WRITE);
                  const Proxy both = import_for(0, 1);
                  std::uint64_t was = 7;
                  EXPECT(vmmc_fetch_add_64(reader.address, 1, &was) == VMMC_ERR_NOT_WRITABLE);
                  EXPECT(vmmc_fetch_add_64(writer.address, 1, &was) == VMMC_ERR_NOT_READABLE);
                  EXPECT(vmmc_fetch_add_64(both.address + 4, 1, &was) == VMMC_ERR_MISALIGNED);
                  EXPECT(vmmc_fetch_add_64(both.address + both.length - 4, 1, &was) ==
                         VMMC_ERR_OUTSIDE_PROXY);
                  EXPECT(vmmc_fetch_add_32(both.address + 2, 1, nullptr) == VMMC_ERR_MISALIGNED);
                  EXPECT(was == 7);
                  EXPECT(vmmc_fence() == VMMC_OK);
                  for (int i = 0; i < 64; ++i) EXPECT(memory[i] == 0);
                  EXPECT(counters().atomics == 0);
                }});
}

TEST_CASE("S10.2 an atomic operation stands in its place among the sends of the process") {
  NicsimProcess nicsim;
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   export_new(1 << 20, 1);
                   part.meet();
                 },
                 [seed](Part& part) {
                   attach();
                   std::mt19937_64 random(seed);
                   const Proxy proxy = import_for(0, 1);
                   auto* words = static_cast<std::uint64_t*>(allocate(1 << 20));
                   std::vector<std::uint64_t> after(1 << 17);
                   for (std::uint64_t round = 0; round < 400; ++round) {
                     const std::size_t count = 1 + random() % (1 << 17) / (1 + random() % 999);
                     const std::uint64_t value = random();
                     std::fill_n(words, count, value);
                     std::fill_n(after.data(), count, value + 2);
                     vmmc_send_handle handle = 0;
                     EXPECT(vmmc_send_start(words, proxy.address, 8 * count, &handle) == VMMC_OK);
                     unsigned char* const last = proxy.address + 8 * (count - 1);
                     std::uint64_t was = 0;
                     EXPECT(vmmc_fetch_add_64(last, 1, &was) == VMMC_OK);
                     EXPECT(was == value);
                     EXPECT(vmmc_send_test(handle) == VMMC_OK);
                     EXPECT(vmmc_send(after.data(), proxy.address, 8 * count) == VMMC_OK);
                     EXPECT(vmmc_compare_swap_64(last, value + 2, 0, &was) == VMMC_OK);
                     EXPECT(was == value + 2);
                   }
                   part.meet();
                 }});
}
