// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// In which order stores and sends are seen, and what becomes of stores that nobody gets: S8.11,
// S8.12, S8.14.

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/conformance/automatic_update.h"

using namespace vmmc::testing;

namespace {

// The history that a program of S8.11 makes: in each round the stages one after the other, of each
// stage first all words of its block, then its flag; all of them get the number of the round. So
// whoever has seen a flag finds its block, and the flags and blocks before it, at least as new.
constexpr int kStages = 6;
constexpr std::size_t kBlockWords = 48;
constexpr std::size_t kHalf = 2 * kPage;  // pages 0 and 1 trap stores, 2 and 3 have typed ones
constexpr std::size_t kBuffer = 2 * kHalf;
constexpr std::uint32_t kRounds = 200;

struct Layout {
  std::size_t block[kStages];
  std::size_t flag[kStages];
};

// Blocks and flags in random places of a grid; no place is directly behind another.
Layout random_layout(std::mt19937& random) {
  std::vector<std::size_t> places;
  for (std::size_t at = 0; at < kBuffer; at += 256) places.push_back(at);
  std::shuffle(places.begin(), places.end(), random);
  Layout layout{};
  for (int i = 0; i < kStages; ++i) {
    layout.block[i] = places[static_cast<std::size_t>(2 * i)];
    layout.flag[i] = places[static_cast<std::size_t>(2 * i + 1)] + random() % 48 * 4;
  }
  return layout;
}

// Puts words into the remote buffer by stores or sends, as it comes, with a flush wherever the one
// follows the other.
class Program {
 public:
  Program(const Proxy& proxy, std::mt19937& random) : proxy_(proxy), random_(random) {
    local_ = static_cast<unsigned char*>(allocate(kBuffer));
    const auto combining = [&] { return kCombinings[random_() % 4]; };
    bind(local_, proxy.address, kHalf, bind_options(VMMC_CAPTURE_TRAP, combining()));
    typed_ = bind(local_ + kHalf, proxy.address + kHalf, kHalf,
                  bind_options(VMMC_CAPTURE_TYPED, combining()));
  }

  void put(std::size_t at, const std::vector<std::uint32_t>& words) {
    const std::size_t length = 4 * words.size();
    const bool sends = random_() % 3 == 0;
    if (sends != sent_last_) EXPECT(vmmc_flush() == VMMC_OK);
    sent_last_ = sends;
    if (sends) {
      EXPECT(vmmc_send(words.data(), proxy_.address + at, length) == VMMC_OK);
    } else if (at >= kHalf && random_() % 2 == 0) {
      EXPECT(vmmc_au_copy(typed_, local_ + at, words.data(), length) == VMMC_OK);
    } else if (at >= kHalf) {
      for (std::size_t i = 0; i < words.size(); ++i) {
        store(typed_, VMMC_CAPTURE_TYPED, local_ + at + 4 * i, words[i]);
      }
    } else if (random_() % 2 == 0) {
      std::memcpy(local_ + at, words.data(), length);
    } else {
      for (std::size_t i = 0; i < words.size(); ++i) word_at(local_, at + 4 * i) = words[i];
    }
  }

 private:
  const Proxy& proxy_;
  std::mt19937& random_;
  unsigned char* local_ = nullptr;
  vmmc_binding* typed_ = nullptr;
  bool sent_last_ = false;
};

// Looks once at everything, the last stage first.
std::uint32_t expect_prefix(unsigned char* memory, const Layout& layout) {
  std::uint32_t newest = 0;
  std::uint32_t last = 0;
  for (int i = kStages - 1; i >= 0; --i) {
    const std::uint32_t flag = look(memory + layout.flag[i]);
    if (i == kStages - 1) last = flag;
    EXPECT(flag >= newest);
    newest = flag;
    for (std::size_t k = 0; k < kBlockWords; ++k) {
      EXPECT(look(memory + layout.block[i] + 4 * k) >= newest);
    }
  }
  return last;
}

}  // namespace

TEST_CASE("S8.11 of a random mixture of stores and sends always a prefix is seen" *
          doctest::skip(needs_real_time())) {
  const unsigned first_seed = std::random_device{}();
  for (unsigned seed = first_seed; seed < first_seed + 4; ++seed) {
    MESSAGE("seed " << seed);
    NicsimProcess nicsim;
    run_processes(nicsim, {[seed](Part& part) {
                             std::mt19937 random(seed);
                             const Layout layout = random_layout(random);
                             attach();
                             unsigned char* memory = export_new(kBuffer, 1);
                             part.meet();
                             while (expect_prefix(memory, layout) != kRounds)
                               std::this_thread::yield();
                           },
                           [seed](Part& part) {
                             std::mt19937 random(seed);
                             const Layout layout = random_layout(random);
                             attach();
                             Proxy proxy = import_from(0, 1);
                             Program program(proxy, random);
                             part.meet();
                             for (std::uint32_t round = 1; round <= kRounds; ++round) {
                               for (int i = 0; i < kStages; ++i) {
                                 program.put(layout.block[i],
                                             std::vector<std::uint32_t>(kBlockWords, round));
                                 program.put(layout.flag[i], {round});
                               }
                             }
                             EXPECT(vmmc_fence() == VMMC_OK);
                           }});
  }
}

TEST_CASE("S8.4 S8.11 stores of two threads are seen in the order in which memory had them" *
          doctest::skip(needs_real_time())) {
  constexpr std::uint32_t kTurns = 4000;
  constexpr std::size_t kOne = 64;
  constexpr std::size_t kOther = kPage + 64;
  for (const int combining : kCombinings) {
    NicsimProcess nicsim;
    run_processes(nicsim, {[](Part& part) {
                             attach();
                             unsigned char* memory = export_new(2 * kPage, 1);
                             part.meet();
                             std::uint32_t second = 0;
                             while (second != kTurns) {
                               // One is at most a turn ahead, and never the second.
                               second = look(memory + kOther);
                               const std::uint32_t first = look(memory + kOne);
                               EXPECT(first >= second);
                               EXPECT(look(memory + kOther) + 1 >= first);
                               std::this_thread::yield();
                             }
                           },
                           [combining](Part& part) {
                             attach();
                             Proxy proxy = import_from(0, 1);
                             auto* local = static_cast<unsigned char*>(allocate(2 * kPage));
                             bind(local, proxy.address, 2 * kPage,
                                  bind_options(VMMC_CAPTURE_TRAP, combining));
                             part.meet();
                             std::thread other([=] {
                               for (std::uint32_t turn = 1; turn <= kTurns; ++turn) {
                                 while (look(local + kOne) != turn) std::this_thread::yield();
                                 word_at(local, kOther) = turn;
                               }
                             });
                             for (std::uint32_t turn = 1; turn <= kTurns; ++turn) {
                               word_at(local, kOne) = turn;
                               while (look(local + kOther) != turn) std::this_thread::yield();
                             }
                             other.join();
                             EXPECT(vmmc_fence() == VMMC_OK);
                           }});
  }
}

TEST_CASE("S8.11 a flush is enough for what is stored to arrive before what is sent to its place") {
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part& part) {
         attach();
         unsigned char* memory = export_new(kPage, 1);
         part.meet();
         part.meet();
         EXPECT(look(memory) == 1000);
       },
       [](Part& part) {
         attach();
         const vmmc_import_options both{VMMC_READ | VMMC_WRITE, VMMC_EXECUTOR_AUTO, kPatience};
         void* proxy = nullptr;
         EXPECT(vmmc_import(identity_of(0), 1, &both, &proxy, nullptr) == VMMC_OK);
         auto* local = static_cast<unsigned char*>(allocate(kPage));
         vmmc_bind_options options = bind_options(VMMC_CAPTURE_TRAP, VMMC_COMBINE_BLOCK);
         vmmc_binding* binding = bind(local, proxy, kPage, options);
         part.meet();
         for (std::uint32_t n = 1; n <= 1000; ++n) {
           word_at(local, 0) = 5000 + n;
           EXPECT(vmmc_flush() == VMMC_OK);
           EXPECT(vmmc_send(&n, proxy, sizeof n) == VMMC_OK);
           if (n % 50 != 0) continue;
           EXPECT(vmmc_fence() == VMMC_OK);
           std::uint32_t seen = 0;
           EXPECT(vmmc_fetch(&seen, proxy, 4) == VMMC_OK);
           EXPECT(seen == n);
         }
         EXPECT(vmmc_fence() == VMMC_OK);
         part.meet();
         EXPECT(vmmc_unbind(binding) == VMMC_OK);
       }});
}

TEST_CASE("S8.12 typed stores are seen whole" * doctest::skip(needs_real_time())) {
  constexpr std::uint64_t kEnd = 0xffffffff'ffffffff;
  constexpr std::size_t kWords = 16;
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   unsigned char* memory = export_new(kPage, 1);
                   part.meet();
                   std::uint64_t value = 0;
                   while (value != kEnd) {
                     for (std::size_t i = 0; i < kWords; ++i) {
                       value = __atomic_load_n(reinterpret_cast<std::uint64_t*>(memory + 8 * i),
                                               __ATOMIC_ACQUIRE);
                       EXPECT(static_cast<std::uint32_t>(value) == value >> 32);
                     }
                   }
                 },
                 [](Part& part) {
                   attach();
                   Proxy proxy = import_from(0, 1);
                   auto* local = static_cast<unsigned char*>(allocate(kPage));
                   part.meet();
                   const auto put = [&](vmmc_binding* binding, std::uint64_t value) {
                     for (std::size_t i = 0; i < kWords; ++i) {
                       auto* word = reinterpret_cast<std::uint64_t*>(local + 8 * i);
                       EXPECT(vmmc_au_store64(binding, word, value) == VMMC_OK);
                     }
                   };
                   for (const int capture : kCaptures) {
                     for (const int combining :
                          {VMMC_COMBINE_TIMER, VMMC_COMBINE_BLOCK, VMMC_COMBINE_SINGLE}) {
                       vmmc_binding* binding =
                           bind(local, proxy.address, kPage, bind_options(capture, combining));
                       for (std::uint64_t n = 1; n <= 1000; ++n) put(binding, n << 32 | n);
                       if (capture == VMMC_CAPTURE_TYPED && combining == VMMC_COMBINE_SINGLE) {
                         put(binding, kEnd);
                       }
                       EXPECT(vmmc_unbind(binding) == VMMC_OK);
                     }
                   }
                   EXPECT(vmmc_fence() == VMMC_OK);
                 }});
}

TEST_CASE("S8.12 a typed store that is refused changes nothing, here or there") {
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part& part) {
         attach();
         unsigned char* memory = export_new(2 * kPage, 1);
         part.meet();
         EXPECT(std::count(memory, memory + 2 * kPage, 0) == 2 * kPage);
         part.meet();
       },
       [](Part& part) {
         attach();
         Proxy proxy = import_from(0, 1);
         for (const int capture : kCaptures) {
           auto* local = static_cast<unsigned char*>(allocate(2 * kPage));
           vmmc_binding* binding =
               bind(local, proxy.address, kPage, bind_options(capture, VMMC_COMBINE_SINGLE));
           const auto put = [&](std::size_t at) {
             return vmmc_au_store64(binding, reinterpret_cast<std::uint64_t*>(local + at), ~0ull);
           };
           const unsigned char ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
           EXPECT(put(4) == VMMC_ERR_MISALIGNED);
           EXPECT(put(1) == VMMC_ERR_MISALIGNED);
           EXPECT(put(kPage) == VMMC_ERR_OUTSIDE_PROXY);
           EXPECT(put(kPage - 4) == VMMC_ERR_OUTSIDE_PROXY);
           EXPECT(put(0 - std::size_t{8}) == VMMC_ERR_OUTSIDE_PROXY);
           EXPECT(vmmc_au_copy(binding, local + kPage - 7, ones, 8) == VMMC_ERR_OUTSIDE_PROXY);
           EXPECT(vmmc_au_copy(nullptr, local, ones, 8) == VMMC_ERR_BAD_HANDLE);
           EXPECT(vmmc_au_store8(nullptr, local, 1) == VMMC_ERR_BAD_HANDLE);
           EXPECT(vmmc_unbind(binding) == VMMC_OK);
           EXPECT(put(0) == VMMC_ERR_BAD_HANDLE);
           EXPECT(vmmc_au_copy(binding, local, ones, 8) == VMMC_ERR_BAD_HANDLE);
           EXPECT(std::count(local, local + 2 * kPage, 0) == 2 * kPage);
         }
         EXPECT(vmmc_fence() == VMMC_OK);
         EXPECT(automatic_updates() == 0);
         part.meet();
         part.meet();
       }});
}

TEST_CASE("S8.14 stores to a buffer that was taken back stay local; the next fence says so, once") {
  NicsimProcess nicsim;
  const auto for_each_kind = [](auto body) {
    for (const int capture : kCaptures) {
      for (const int combining : kCombinings) body(capture, combining);
    }
  };
  run_processes(nicsim, {[=](Part& part) {
                           attach();
                           for_each_kind([&](int, int) {
                             unsigned char* memory = export_new(kPage, 1);
                             part.meet();
                             part.meet();
                             EXPECT(vmmc_unexport(1) == VMMC_OK);
                             EXPECT(word_at(memory, 0) == 1);
                             part.meet();
                             part.meet();
                             EXPECT(word_at(memory, 0) == 1);
                             EXPECT(vmmc_free(memory) == VMMC_OK);
                           });
                         },
                         [=](Part& part) {
                           attach();
                           auto* local = static_cast<unsigned char*>(allocate(kPage));
                           for_each_kind([&](int capture, int combining) {
                             part.meet();
                             Proxy proxy = import_from(0, 1);
                             vmmc_binding* binding = bind(local, proxy.address, kPage,
                                                          bind_options(capture, combining));
                             store(binding, capture, local, 1);
                             EXPECT(vmmc_fence() == VMMC_OK);
                             part.meet();
                             part.meet();
                             for (std::uint32_t n = 2; n <= 50; ++n) {
                               store(binding, capture, local, n);
                             }
                             EXPECT(vmmc_fence() == VMMC_ERR_UNEXPORTED);
                             EXPECT(vmmc_fence() == VMMC_OK);
                             for (std::uint32_t n = 51; n <= 100; ++n) {
                               store(binding, capture, local, n);
                             }
                             EXPECT(vmmc_fence() == VMMC_OK);
                             EXPECT(word_at(local, 0) == 100);
                             EXPECT(vmmc_unbind(binding) == VMMC_OK);
                             EXPECT(vmmc_unimport(proxy.address) == VMMC_OK);
                             part.meet();
                           });
                         }});
}

TEST_CASE("S8.14 stores to a buffer whose exporter has ended stay local; a fence says so, once") {
  for (const int capture : kCaptures) {
    NicsimProcess nicsim;
    run_processes(
        nicsim, {[](Part& part) {
                   attach();
                   part.meet();  // else simulated time might be over before the other is there
                   unsigned char* memory = export_new(kPage, 1);
                   await(memory, 1);
                   part.die();
                 },
                 [capture](Part& part) {
                   attach();
                   part.meet();
                   Proxy proxy = import_from(0, 1);
                   auto* local = static_cast<unsigned char*>(allocate(kPage));
                   vmmc_binding* binding =
                       bind(local, proxy.address, kPage, bind_options(capture, VMMC_COMBINE_TIMER));
                   std::uint32_t n = 0;
                   int status = VMMC_OK;
                   while (status == VMMC_OK) {
                     store(binding, capture, local, 1);
                     store(binding, capture, local + 8, ++n);
                     status = vmmc_fence();
                   }
                   EXPECT(status == VMMC_ERR_PEER_DEAD);
                   EXPECT(std::string(vmmc_last_error()).size() > 10);
                   for (int i = 0; i < 100; ++i) store(binding, capture, local + 8, ++n);
                   EXPECT(vmmc_fence() == VMMC_OK);
                   EXPECT(word_at(local, 8) == n);
                   EXPECT(vmmc_unbind(binding) == VMMC_OK);
                   EXPECT(vmmc_fence() == VMMC_OK);
                 }});
  }
}
