// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a binding is, and its begin and end: S8.2, S8.3, S8.9, S8.10, S8.13.

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tests/conformance/automatic_update.h"

using namespace vmmc::testing;

namespace {

// A binding that is refused, with this status and a sentence in which this stands; and it leaves
// the handle alone.
void expect_refused(void* local, void* proxy, std::size_t length, const vmmc_bind_options& options,
                    int status, const std::string& words) {
  vmmc_binding* binding = nullptr;
  const int got = vmmc_bind(local, proxy, length, &options, &binding);
  const std::string sentence = vmmc_last_error();
  if (got != status || sentence.find(words) == std::string::npos) {
    std::fprintf(stderr, "not %s with \"%s\": %s: %s\n", vmmc_status_name(status), words.c_str(),
                 vmmc_status_name(got), sentence.c_str());
  }
  EXPECT(got == status);
  EXPECT(sentence.find(words) != std::string::npos);
  EXPECT(binding == nullptr);
}

unsigned char* map_pages(std::size_t length, int protection, int kind) {
  void* memory = ::mmap(nullptr, length, protection, kind | MAP_ANONYMOUS, -1, 0);
  EXPECT(memory != MAP_FAILED);
  return static_cast<unsigned char*>(memory);
}

void refuse_places(unsigned char* local, const Proxy& proxy) {
  const vmmc_bind_options usual = VMMC_BIND_DEFAULTS;
  const auto refused = [&](unsigned char* from, unsigned char* to, std::size_t length, int status,
                           const char* words) {
    expect_refused(from, to, length, usual, status, words);
  };
  unsigned char* to = proxy.address;
  refused(local + 4, to, kPage, VMMC_ERR_MISALIGNED, "is not the start of a page");
  refused(local, to + 4, kPage, VMMC_ERR_MISALIGNED, "is not the start of a page");
  refused(local, to, 100, VMMC_ERR_MISALIGNED, "100 bytes are not whole pages");
  refused(local, to, kPage + 1, VMMC_ERR_MISALIGNED, "4097 bytes are not whole pages");
  refused(local, to, 0, VMMC_ERR_ZERO_LENGTH, "zero bytes");
  refused(local, to, 0 - kPage, VMMC_ERR_LENGTH_OVERFLOW, "past the end of the address space");
  refused(local, to + kPage, 2 * kPage, VMMC_ERR_OUTSIDE_PROXY, "past the end of the proxy of");
  refused(local, to + 2 * kPage, kPage, VMMC_ERR_OUTSIDE_PROXY, "in no proxy");
  refused(local, to - kPage, kPage, VMMC_ERR_OUTSIDE_PROXY, "in no proxy");
  refused(local, local, kPage, VMMC_ERR_OUTSIDE_PROXY, "in no proxy");
  refused(local, nullptr, kPage, VMMC_ERR_OUTSIDE_PROXY, "in no proxy");
  refused(nullptr, to, kPage, VMMC_ERR_INVALID_ARGUMENT, "local");
}

void refuse_memory(const Proxy& proxy) {
  const vmmc_bind_options usual = VMMC_BIND_DEFAULTS;
  const auto refused = [&](void* from, std::size_t length) {
    expect_refused(from, proxy.address, length, usual, VMMC_ERR_BAD_MEMORY, "cannot be bound");
  };
  const int both = PROT_READ | PROT_WRITE;
  refused(map_pages(kPage, PROT_READ, MAP_PRIVATE), kPage);
  refused(map_pages(kPage, PROT_NONE, MAP_PRIVATE), kPage);
  refused(map_pages(kPage, both, MAP_SHARED), kPage);
  unsigned char* hole = map_pages(2 * kPage, both, MAP_PRIVATE);
  EXPECT(::munmap(hole + kPage, kPage) == 0);
  refused(hole, 2 * kPage);
  hole[0] = 1;  // and is ordinary memory as before
  EXPECT(hole[0] == 1);
  alignas(kPage) volatile unsigned char stack[kPage];
  stack[0] = 1;
  refused(const_cast<unsigned char*>(stack), kPage);
}

void refuse_options(unsigned char* local, const Proxy& proxy) {
  const auto refused = [&](int capture, int combining, std::uint64_t timer, int status,
                           const char* words) {
    expect_refused(local, proxy.address, kPage, {capture, combining, timer, 0}, status, words);
  };
  refused(-1, 0, 1, VMMC_ERR_INVALID_ARGUMENT, "capture -1");
  refused(4, 0, 1, VMMC_ERR_INVALID_ARGUMENT, "capture 4");
  refused(0, -1, 1, VMMC_ERR_INVALID_ARGUMENT, "combining -1");
  refused(0, 4, 1, VMMC_ERR_INVALID_ARGUMENT, "combining 4");
  refused(0, VMMC_COMBINE_TIMER, 0, VMMC_ERR_INVALID_ARGUMENT, "timer of 0 ns");
  EXPECT(vmmc_bind(local, proxy.address, kPage, nullptr, nullptr) == VMMC_ERR_INVALID_ARGUMENT);
  EXPECT(std::string(vmmc_last_error()).find("binding") != std::string::npos);
}

}  // namespace

TEST_CASE("S8.2 what vmmc_bind refuses, with its status and a sentence; then nothing is bound") {
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part& part) {
         attach();
         unsigned char* memory = export_new(2 * kPage, 1);
         auto* odd = static_cast<unsigned char*>(allocate(3 * kPage));
         EXPECT(vmmc_export(odd + 8, 2 * kPage, 2, nullptr) == VMMC_OK);
         export_new(kPage, 3);
         part.meet();
         part.meet();
         EXPECT(std::count(memory, memory + 2 * kPage, 0) == 2 * kPage);
         EXPECT(word_at(odd, kPage) == 9);
         EXPECT(vmmc_unexport(3) == VMMC_OK);
         part.meet();
         part.die();
       },
       [](Part& part) {
         const vmmc_bind_options usual = VMMC_BIND_DEFAULTS;
         auto* local = map_pages(3 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE);
         expect_refused(local, local, kPage, usual, VMMC_ERR_NOT_ATTACHED, "attached");
         attach();
         part.meet();
         const Proxy proxy = import_from(0, 1);
         EXPECT(proxy.length == 2 * kPage);
         refuse_places(local, proxy);
         refuse_memory(proxy);
         refuse_options(local, proxy);
         const vmmc_import_options read_only{VMMC_READ, VMMC_EXECUTOR_AUTO, kPatience};
         void* readable = nullptr;
         EXPECT(vmmc_import(identity_of(0), 1, &read_only, &readable, nullptr) == VMMC_OK);
         expect_refused(local, readable, kPage, usual, VMMC_ERR_NOT_WRITABLE, "VMMC_WRITE");
         // The buffer begins 8 bytes into a page: only its middle page is a whole one.
         const Proxy odd = import_by(VMMC_EXECUTOR_NIC, 0, 2);
         expect_refused(local, odd.address, kPage, usual, VMMC_ERR_MISALIGNED, "exporter's memory");
         expect_refused(local, odd.address - 8 + kPage, 2 * kPage, usual, VMMC_ERR_OUTSIDE_PROXY,
                        "past the end");
         vmmc_binding* middle = bind(local, odd.address - 8 + kPage, kPage, usual);
         word_at(local, 0) = 9;
         EXPECT(vmmc_unbind(middle) == VMMC_OK);
         for (int i = 0; i < 3000; i += 4) word_at(local, static_cast<std::size_t>(i)) = 5;
         EXPECT(vmmc_fence() == VMMC_OK);
         EXPECT(automatic_updates() == 1);
         const Proxy taken = import_from(0, 3);
         part.meet();
         part.meet();
         expect_refused(local, taken.address, kPage, usual, VMMC_ERR_UNEXPORTED, "taken buffer 3");
         const std::uint32_t word = 0;
         int status = VMMC_OK;
         while (status == VMMC_OK) {
           status = vmmc_send(&word, proxy.address, sizeof word);
           if (status == VMMC_OK) status = vmmc_fence();
         }
         EXPECT(status == VMMC_ERR_PEER_DEAD);
         expect_refused(local, proxy.address, kPage, usual, VMMC_ERR_PEER_DEAD, "has ended");
         EXPECT(vmmc_binding_capture(nullptr) == VMMC_ERR_BAD_HANDLE);
         EXPECT(vmmc_unbind(nullptr) == VMMC_ERR_BAD_HANDLE);
         EXPECT(vmmc_unbind(middle) == VMMC_ERR_BAD_HANDLE);
       }});
}

TEST_CASE("S8.3 bytes that are not written to are not sent, by binding and unbinding neither") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   unsigned char* memory = export_new(2 * kPage, 1);
                   for ([[maybe_unused]] const int combining : kCombinings) {
                     std::memset(memory, 0xaa, 2 * kPage);
                     part.meet();
                     part.meet();
                     for (std::size_t i = 0; i < 2 * kPage; ++i) {
                       const bool written = i == 101 || i == 103 || i == 4095 || i == 4096;
                       EXPECT(memory[i] == (written ? 0x11 : 0xaa));
                     }
                     part.meet();
                   }
                 },
                 [](Part& part) {
                   attach();
                   Proxy proxy = import_from(0, 1);
                   auto* local = static_cast<unsigned char*>(allocate(2 * kPage));
                   std::uint64_t before = 0;
                   for (const int combining : kCombinings) {
                     std::memset(local, 0x55, 2 * kPage);
                     part.meet();
                     const vmmc_bind_options options = bind_options(VMMC_CAPTURE_TRAP, combining);
                     EXPECT(vmmc_unbind(bind(local, proxy.address, 2 * kPage, options)) == VMMC_OK);
                     EXPECT(vmmc_fence() == VMMC_OK);
                     EXPECT(automatic_updates() == before);
                     vmmc_binding* binding = bind(local, proxy.address, 2 * kPage, options);
                     word_at<unsigned char>(local, 101) = 0x11;
                     word_at<unsigned char>(local, 103) = 0x11;
                     word_at<std::uint16_t>(local, 4095) = 0x1111;
                     EXPECT(vmmc_unbind(binding) == VMMC_OK);
                     EXPECT(vmmc_fence() == VMMC_OK);
                     EXPECT(automatic_updates() == before + 4);
                     before += 4;
                     EXPECT(local[100] == 0x55);
                     part.meet();
                     part.meet();
                   }
                 }});
}

TEST_CASE("S8.10 unbind while another thread stores: what was stored before is sent, and no more" *
          doctest::skip(needs_real_time())) {
  constexpr int kRounds = 200;
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* memory = export_new(kPage, 1);
                           for (int round = 0; round < kRounds; ++round) {
                             part.meet();
                             const std::uint32_t arrived = look(memory + 64);
                             EXPECT(arrived >= part.value(0).load());
                             EXPECT(arrived <= part.value(1).load());
                             part.meet();
                             EXPECT(look(memory + 64) == arrived);
                             part.meet();
                           }
                         },
                         [](Part& part) {
                           attach();
                           Proxy proxy = import_from(0, 1);
                           auto* local = static_cast<unsigned char*>(allocate(kPage));
                           std::atomic<bool> over{false};
                           std::thread storing([&] {
                             for (std::uint32_t n = 1; !over.load(); ++n) word_at(local, 64) = n;
                           });
                           for (int round = 0; round < kRounds; ++round) {
                             vmmc_binding* binding =
                                 bind(local, proxy.address, kPage,
                                      bind_options(VMMC_CAPTURE_TRAP, kCombinings[round % 4]));
                             const std::uint32_t at_first = look(local + 64);
                             while (look(local + 64) - at_first < 5) ::usleep(10);
                             part.value(0).store(look(local + 64));
                             EXPECT(vmmc_unbind(binding) == VMMC_OK);
                             part.value(1).store(look(local + 64));
                             EXPECT(vmmc_fence() == VMMC_OK);
                             part.meet();
                             const std::uint32_t unbound = look(local + 64);
                             while (look(local + 64) == unbound) ::usleep(10);
                             EXPECT(vmmc_fence() == VMMC_OK);
                             EXPECT(vmmc_unbind(binding) == VMMC_ERR_BAD_HANDLE);
                             part.meet();
                             part.meet();
                           }
                           over.store(true);
                           storing.join();
                         }});
}

TEST_CASE("S8.13 two processes whose pages are bound to each other do not echo") {
  constexpr std::uint32_t kStores = 2000;
  NicsimProcess nicsim;
  const auto side = [](Part& part) {
    attach();
    const std::uint32_t self = part.number();
    unsigned char* memory = export_new(kPage, 1);
    Proxy proxy = import_from(1 - self, 1);
    vmmc_binding* binding =
        bind(memory, proxy.address, kPage, bind_options(VMMC_CAPTURE_TRAP, VMMC_COMBINE_SINGLE));
    part.meet();
    // Each stores every second word, a quarter of the page long, again and again.
    for (std::uint32_t n = 1; n <= kStores; ++n) {
      word_at(memory, (n % 128) * 8 + self * 4) = n;
    }
    EXPECT(vmmc_fence() == VMMC_OK);
    part.meet();
    for (std::uint32_t n = kStores - 127; n <= kStores; ++n) {
      EXPECT(word_at(memory, (n % 128) * 8) == n);
      EXPECT(word_at(memory, (n % 128) * 8 + 4) == n);
    }
    vmmc_counters counters{};
    EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
    EXPECT(counters.automatic_updates == kStores);
    EXPECT(counters.transfers_received == kStores);
    EXPECT(counters.bytes_received == 4 * kStores);
    part.meet();
    EXPECT(vmmc_unbind(binding) == VMMC_OK);
  };
  run_processes(nicsim, {side, side});
}

TEST_CASE("S8.13 a local page is bound once, a remote one any number of times; loads stay local") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   unsigned char* memory = export_new(2 * kPage, 1);
                   word_at(memory, 400) = 77;
                   part.meet();
                   part.meet();
                   for (std::uint32_t i = 0; i < 3; ++i) EXPECT(word_at(memory, 4 * i) == i + 1);
                   EXPECT(word_at(memory, kPage) == 0);
                 },
                 [](Part& part) {
                   attach();
                   part.meet();
                   Proxy proxy = import_from(0, 1);
                   Proxy again = import_from(0, 1);
                   auto* local = static_cast<unsigned char*>(allocate(4 * kPage));
                   const vmmc_bind_options usual = VMMC_BIND_DEFAULTS;
                   vmmc_binding* first = bind(local, proxy.address, kPage, usual);
                   vmmc_binding* second = bind(local + kPage, proxy.address, kPage, usual);
                   vmmc_binding* third = bind(local + 2 * kPage, again.address, kPage,
                                              bind_options(VMMC_CAPTURE_TYPED, VMMC_COMBINE_BLOCK));
                   for (const std::size_t page : {0, 1, 2}) {
                     for (const int capture : kCaptures) {
                       expect_refused(local + page * kPage, proxy.address + kPage, kPage,
                                      bind_options(capture, VMMC_COMBINE_BLOCK),
                                      VMMC_ERR_ALREADY_BOUND, "overlap a binding");
                     }
                   }
                   expect_refused(local + 2 * kPage, proxy.address, 2 * kPage, usual,
                                  VMMC_ERR_ALREADY_BOUND, "overlap a binding");
                   word_at(local, 0) = 1;
                   word_at(local, kPage + 4) = 2;
                   store(third, VMMC_CAPTURE_TYPED, local + 2 * kPage + 8, 3);
                   EXPECT(vmmc_fence() == VMMC_OK);
                   EXPECT(word_at(local, 400) == 0);  // not what the remote page holds
                   EXPECT(word_at(local, 4) == 0);
                   for (vmmc_binding* each : {first, second, third})
                     EXPECT(vmmc_unbind(each) == VMMC_OK);
                   // The fourth page was never bound, the others are not any more.
                   EXPECT(vmmc_unbind(bind(local, proxy.address, 2 * kPage, usual)) == VMMC_OK);
                   EXPECT(vmmc_free(local) == VMMC_OK);
                   part.meet();
                 }});
}

TEST_CASE("S8.9 with notify each word that is written notifies, also beyond the receiver's queue") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           auto* memory = static_cast<unsigned char*>(allocate(kPage));
                           vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
                           options.handler = vmmc_no_action;
                           EXPECT(vmmc_block_notifications() == VMMC_OK);
                           EXPECT(vmmc_export(memory, kPage, 1, &options) == VMMC_OK);
                           part.meet();
                           const auto next = [&](std::size_t offset, std::size_t length) {
                             vmmc_notification one{};
                             EXPECT(vmmc_wait_notification(1, kPatience, &one) == VMMC_OK);
                             EXPECT(one.buffer_id == 1);
                             EXPECT(one.offset == offset);
                             EXPECT(one.length == length);
                             EXPECT(one.immediate == 0);
                             EXPECT(one.sender.process == 1);
                             EXPECT(memory[offset] != 0);
                           };
                           next(4, 4);
                           next(16, 4);
                           next(20, 4);
                           next(33, 1);
                           for (std::size_t i = 0; i < kPage / 4; ++i) next(4 * i, 4);
                           part.meet();
                           EXPECT(vmmc_wait_notification(1, 0, nullptr) == VMMC_ERR_TIMEOUT);
                         },
                         [](Part& part) {
                           attach();
                           Proxy proxy = import_from(0, 1);
                           auto* local = static_cast<unsigned char*>(allocate(kPage));
                           part.meet();
                           vmmc_bind_options options =
                               bind_options(VMMC_CAPTURE_TRAP, VMMC_COMBINE_BLOCK);
                           options.notify = 1;
                           bind(local, proxy.address, kPage, options);
                           word_at(local, 4) = 0x01010101;
                           word_at<std::uint64_t>(local, 16) = 0x0202020202020202;
                           word_at<unsigned char>(local, 33) = 3;
                           for (std::size_t i = 0; i < kPage / 4; ++i)
                             word_at(local, 4 * i) = 0x04040404;
                           EXPECT(vmmc_fence() == VMMC_OK);
                           EXPECT(automatic_updates() == 4 + kPage / 4);
                           part.meet();
                         }});
}
