// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What is captured and how it is combined: S8.1, S8.4 to S8.8.

#include "tests/conformance/automatic_update.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <random>
#include <thread>
#include <vector>

using namespace vmmc::testing;

namespace {

// One vector store.
void store_16(void* to, const void* from) {
  asm volatile("movdqu (%1), %%xmm0\n movdqu %%xmm0, (%0)"
               :
               : "r"(to), "r"(from)
               : "memory", "xmm0");
}
void store_32(void* to, const void* from) {
  asm volatile("vmovdqu (%1), %%ymm0\n vmovdqu %%ymm0, (%0)\n vzeroupper"
               :
               : "r"(to), "r"(from)
               : "memory", "xmm0");
}
void store_64(void* to, const void* from) {
  asm volatile("vmovdqu64 (%1), %%zmm0\n vmovdqu64 %%zmm0, (%0)\n vzeroupper"
               :
               : "r"(to), "r"(from)
               : "memory", "xmm0");
}

// One of the ways in which programs store: `length`, at most 64, says which, and how much it is.
void store_somehow(unsigned char* to, std::size_t length, const unsigned char* from) {
  const auto as = [&]<typename Word>(Word) {
    Word value;
    std::memcpy(&value, from, sizeof value);
    word_at<Word>(to, 0) = value;
  };
  if (length == 1) return as(std::uint8_t{});
  if (length == 2) return as(std::uint16_t{});
  if (length == 4) return as(std::uint32_t{});
  if (length == 8) return as(std::uint64_t{});
  if (length == 16) return store_16(to, from);
  if (length == 32 && __builtin_cpu_supports("avx")) return store_32(to, from);
  if (length == 64 && __builtin_cpu_supports("avx512f")) return store_64(to, from);
  if (length % 3 == 0) {
    std::memset(to, from[0], length);
  } else {
    std::memcpy(to, from, length);
  }
}

constexpr std::size_t kPages = 4;
constexpr int kThreads = 3;
constexpr int kAdditions = 100;
constexpr std::size_t kCounter = kPages * kPage - 8;  // where all threads add

// Each thread has a third of every page, so that their stores alternate on one page.
void store_all_over(unsigned char* local, int thread, unsigned seed) {
  std::mt19937 random(seed + static_cast<unsigned>(thread));
  constexpr std::size_t kShare = 1360;
  unsigned char source[64];
  for (int i = 0; i < 400; ++i) {
    const std::size_t length = 1 + random() % 64;
    const std::size_t at = random() % kPages * kPage + static_cast<std::size_t>(thread) * kShare +
                           random() % (kShare - length + 1);
    for (unsigned char& byte : source) byte = static_cast<unsigned char>(random());
    store_somehow(local + at, length, source);
    if (i % 4 == 0) {
      reinterpret_cast<std::atomic<std::uint64_t>*>(local + kCounter)->fetch_add(1);
    }
  }
  // A long one, over the edges of pages, of which the others have nothing.
  if (thread == 0) std::memset(local + kPages * kPage, static_cast<int>(seed), 3 * kPage - 5);
}

}  // namespace

TEST_CASE("S8.1 S8.4 S8.7 stores of all widths by several threads arrive, however combined" *
          doctest::skip(needs_real_time())) {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  constexpr std::size_t kLength = (kPages + 3) * kPage;
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   unsigned char* memory = export_new(kLength, 1);
                   unsigned char* expected = export_new(kLength, 2);
                   unsigned char* flag = export_new(kPage, 3);
                   for (std::uint32_t round = 1; round <= 4; ++round) {
                     await(flag, round);
                     EXPECT(std::memcmp(memory, expected, kLength) == 0);
                     EXPECT(word_at<std::uint64_t>(memory, kCounter) ==
                            std::uint64_t{round} * kThreads * kAdditions);
                     part.meet();
                   }
                 },
                 [seed](Part& part) {
                   attach();
                   Proxy proxy = import_from(0, 1);
                   Proxy expected = import_from(0, 2);
                   Proxy flag = import_from(0, 3);
                   auto* local = static_cast<unsigned char*>(allocate(kLength));
                   std::uint32_t round = 0;
                   for (const int combining : kCombinings) {
                     vmmc_binding* binding = bind(local, proxy.address, kLength,
                                                  bind_options(VMMC_CAPTURE_AUTO, combining));
                     EXPECT(vmmc_binding_capture(binding) == VMMC_CAPTURE_TRAP);
                     ++round;
                     std::vector<std::thread> threads;
                     for (int i = 0; i < kThreads; ++i) {
                       threads.emplace_back([=] { store_all_over(local, i, seed + round * 100); });
                     }
                     for (std::thread& thread : threads) thread.join();
                     EXPECT(vmmc_fence() == VMMC_OK);
                     EXPECT(vmmc_send(local, expected.address, kLength) == VMMC_OK);
                     send_word(round, flag.address);
                     EXPECT(vmmc_fence() == VMMC_OK);
                     part.meet();
                     EXPECT(vmmc_unbind(binding) == VMMC_OK);
                   }
                 }});
}

TEST_CASE("S8.6 S8.7 typed stores are seen with every capture, and with typed no others") {
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part& part) {
         attach();
         unsigned char* memory = export_new(3 * kPage, 1);
         for (const int capture : kCaptures) {
           for (int i = 0; i < 4; ++i) {
             std::memset(memory, 0, 3 * kPage);
             part.meet();
             part.meet();
             const bool plain_too = capture == VMMC_CAPTURE_TRAP;
             EXPECT(memory[0] == 0x11);
             EXPECT(word_at<std::uint16_t>(memory, 10) == 0x2222);
             EXPECT(word_at(memory, 20) == 0x33333333);
             EXPECT(word_at<std::uint64_t>(memory, 9000) == 0x4444444444444444);
             EXPECT(std::count(memory + 3000, memory + 8500, 7) == 5500);
             EXPECT(memory[8500] == 0);
             EXPECT(word_at(memory, 100) == (plain_too ? 5u : 0u));
             part.meet();
           }
         }
       },
       [](Part& part) {
         attach();
         Proxy proxy = import_from(0, 1);
         auto* local = static_cast<unsigned char*>(allocate(3 * kPage));
         const std::vector<unsigned char> sevens(5500, 7);
         for (const int capture : kCaptures) {
           for (const int combining : kCombinings) {
             part.meet();
             std::memset(local, 0, 3 * kPage);
             vmmc_binding* one =
                 bind(local, proxy.address, 3 * kPage, bind_options(capture, combining));
             EXPECT(vmmc_binding_capture(one) == capture);
             EXPECT(vmmc_au_store8(one, local, 0x11) == VMMC_OK);
             auto* half = reinterpret_cast<std::uint16_t*>(local + 10);
             EXPECT(vmmc_au_store16(one, half, 0x2222) == VMMC_OK);
             EXPECT(*half == 0x2222);
             auto* word = reinterpret_cast<std::uint32_t*>(local + 20);
             EXPECT(vmmc_au_store32(one, word, 0x33333333) == VMMC_OK);
             auto* two_words = reinterpret_cast<std::uint64_t*>(local + 9000);
             EXPECT(vmmc_au_store64(one, two_words, 0x4444444444444444) == VMMC_OK);
             EXPECT(vmmc_au_copy(one, local + 3000, sevens.data(), sevens.size()) == VMMC_OK);
             word_at(local, 100) = 5;
             EXPECT(vmmc_unbind(one) == VMMC_OK);
             EXPECT(vmmc_fence() == VMMC_OK);
             part.meet();
             part.meet();
           }
         }
       }});
}

TEST_CASE("S8.5 read(2) into a bound page fails with EFAULT, and nothing is lost") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part& part) {
                 attach();
                 unsigned char* memory = export_new(2 * kPage, 1);
                 part.meet();
                 await(memory + kPage, 1);
                 EXPECT(std::memcmp(memory + 8, "abcd", 5) == 0);
                 EXPECT(word_at(memory, 0) == 0);
                 part.meet();  // the compiler may have put the word before the last of the bytes
               },
               [](Part& part) {
                 attach();
                 Proxy proxy = import_from(0, 1);
                 part.meet();
                 auto* local = static_cast<unsigned char*>(allocate(2 * kPage));
                 vmmc_binding* binding = bind(local, proxy.address, 2 * kPage,
                                              bind_options(VMMC_CAPTURE_TRAP, VMMC_COMBINE_BLOCK));
                 int ends[2];
                 EXPECT(::pipe(ends) == 0);
                 EXPECT(::write(ends[1], "abcd", 5) == 5);
                 errno = 0;
                 EXPECT(::read(ends[0], local, 5) == -1);
                 EXPECT(errno == EFAULT);
                 EXPECT(vmmc_fence() == VMMC_OK);
                 EXPECT(automatic_updates() == 0);
                 EXPECT(word_at(local, 0) == 0);
                 char elsewhere[5];
                 EXPECT(::read(ends[0], elsewhere, 5) == 5);
                 std::memcpy(local + 8, elsewhere, 5);
                 word_at(local, kPage) = 1;
                 EXPECT(::write(ends[1], local + 8, 5) == 5);  // the kernel may read there
                 EXPECT(vmmc_unbind(binding) == VMMC_OK);
                 EXPECT(::read(ends[0], local + 100, 5) == 5);
                 EXPECT(std::memcmp(local + 100, "abcd", 5) == 0);
                 EXPECT(vmmc_fence() == VMMC_OK);
                 part.meet();
               }});
}

namespace {

// Memory of this process, bound to a page of another, and what its stores cost in packets.
class Meter {
 public:
  Meter(const Proxy& proxy, int combining) {
    local_ = static_cast<unsigned char*>(allocate(2 * kPage));
    vmmc_bind_options options = bind_options(VMMC_CAPTURE_TRAP, combining);
    options.timer = kLongTimer;
    binding_ = bind(local_, proxy.address, 2 * kPage, options);
  }
  ~Meter() {
    EXPECT(vmmc_unbind(binding_) == VMMC_OK);
    EXPECT(vmmc_free(local_) == VMMC_OK);
  }
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  template <typename Stores>
  std::uint64_t packets(Stores stores) {
    EXPECT(vmmc_fence() == VMMC_OK);
    const std::uint64_t before = automatic_updates();
    stores(local_);
    EXPECT(vmmc_fence() == VMMC_OK);
    return automatic_updates() - before;
  }

 private:
  unsigned char* local_ = nullptr;
  vmmc_binding* binding_ = nullptr;
};

// The packets of the model of SHRIMP hold 512 bytes at most.
const std::uint64_t kPacketsOfPage = needs_real_time() ? kPage / 512 : 1;

void words_in_a_row(unsigned char* local) {
  for (std::uint32_t i = 0; i < kPage / 4; ++i) word_at(local, 4 * i) = i + 1;
}

}  // namespace

TEST_CASE("S8.7 S8.8 counters.automatic_updates moves as the combining says") {
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part& part) {
         attach();
         export_new(2 * kPage, 1);
         part.meet();
       },
       [](Part& part) {
         attach();
         Proxy proxy = import_from(0, 1);
         for (const int combining : kCombinings) {
           const bool single = combining == VMMC_COMBINE_SINGLE;
           const bool off = combining == VMMC_COMBINE_OFF;
           const bool by_words = needs_real_time();  // what is longer than 8 bytes
           const auto due = [=](std::uint64_t combined, std::uint64_t stores, std::uint64_t words) {
             return off ? words : single ? stores : combined;
           };
           Meter meter(proxy, combining);
           const std::uint64_t of_page = meter.packets(words_in_a_row);
           if (needs_real_time() && combining == VMMC_COMBINE_TIMER) {
             EXPECT(of_page >
                    kPacketsOfPage);  // the model's timer is shorter than a page's stores take
             EXPECT(of_page < 1024);
           } else {
             EXPECT(of_page == due(kPacketsOfPage, 1024, 1024));
           }
           EXPECT(meter.packets([](unsigned char* local) {
             const unsigned char source[32] = {1, 2, 3};
             if (__builtin_cpu_supports("avx")) {
               store_32(local + 64, source);
             } else {
               store_16(local + 64, source);
               store_16(local + 80, source);
             }
           }) == due(1,
                     by_words                        ? 8
                     : __builtin_cpu_supports("avx") ? 1
                                                     : 2,
                     8));
           EXPECT(meter.packets([](unsigned char* local) {
             word_at<std::uint64_t>(local, 8) = 1;
           }) == due(1, 1, 2));
           // Over the edge of a word, and over that of a page.
           EXPECT(meter.packets([](unsigned char* local) { word_at(local, 2) = 1; }) ==
                  due(1, 1, 2));
           EXPECT(meter.packets([](unsigned char* local) {
             word_at(local, kPage - 4) = 1;
             word_at(local, kPage) = 2;
           }) == due(2, 2, 2));
           // Not right behind the one before: a gap, backwards, and once more the same.
           EXPECT(meter.packets([](unsigned char* local) {
             for (const std::size_t at : {0, 8, 4, 4}) word_at(local, at) = 1;
           }) == due(4, 4, 4));
           EXPECT(meter.packets([](unsigned char* local) {
             word_at(local, 0) = 1;
             EXPECT(vmmc_flush() == VMMC_OK);
             word_at(local, 4) = 1;
           }) == due(2, 2, 2));
           EXPECT(meter.packets([](unsigned char*) { EXPECT(vmmc_flush() == VMMC_OK); }) == 0);
         }
         part.meet();
       }});
}

TEST_CASE("S8.8 the timer closes a packet, and without one it stays open") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(kPage, 1);
                           part.meet();
                           await(memory, 1);  // nothing but the timer sends it
                           part.meet();
                           part.meet();
                           ::usleep(50'000);
                           EXPECT(look(memory + 100) == 0);
                           part.meet();
                           await(memory + 100, 3);
                         },
                         [](Part& part) {
                           attach();
                           Proxy proxy = import_from(0, 1);
                           auto* local = static_cast<unsigned char*>(allocate(kPage));
                           part.meet();
                           vmmc_bind_options options =
                               bind_options(VMMC_CAPTURE_TRAP, VMMC_COMBINE_TIMER);
                           options.timer = 1'000'000;
                           vmmc_binding* binding = bind(local, proxy.address, kPage, options);
                           word_at(local, 0) = 1;
                           part.meet();
                           word_at(local, 4) = 2;
                           EXPECT(vmmc_fence() == VMMC_OK);
                           EXPECT(automatic_updates() == 2);
                           EXPECT(vmmc_unbind(binding) == VMMC_OK);
                           binding = bind(local, proxy.address, kPage,
                                          bind_options(VMMC_CAPTURE_TRAP, VMMC_COMBINE_BLOCK));
                           word_at(local, 100) = 3;
                           part.meet();
                           part.meet();
                           EXPECT(vmmc_unbind(binding) == VMMC_OK);
                           EXPECT(vmmc_fence() == VMMC_OK);
                         }});
}

TEST_CASE("S8.13 S9.1 what a fetch brings to a bound page is not sent on") {
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part& part) {
         attach();
         unsigned char* bound = export_new(2 * kPage, 1);
         unsigned char* fetched = export_new(2 * kPage, 2);
         std::memset(fetched, 5, 2 * kPage);
         part.meet();
         part.meet();
         for (std::size_t i = 0; i < 2 * kPage; ++i) EXPECT(bound[i] == 0);
       },
       [](Part& part) {
         attach();
         Proxy proxy = import_from(0, 1);
         Proxy source = import_by(VMMC_EXECUTOR_AUTO, 0, 2, VMMC_READ);
         auto* local = static_cast<unsigned char*>(allocate(2 * kPage));
         part.meet();
         bind(local, proxy.address, 2 * kPage, bind_options(VMMC_CAPTURE_TRAP, VMMC_COMBINE_OFF));
         EXPECT(vmmc_fetch(local + 8, source.address, kPage) == VMMC_OK);
         vmmc_send_handle handle = 0;
         EXPECT(vmmc_fetch_start(local + kPage + 8, source.address, kPage - 8, &handle) == VMMC_OK);
         EXPECT(vmmc_send_wait(handle) == VMMC_OK);
         EXPECT((local[7] == 0 && local[8] == 5 && local[2 * kPage - 1] == 5));
         EXPECT(vmmc_fence() == VMMC_OK);
         EXPECT(automatic_updates() == 0);
         part.meet();
       }});
}
