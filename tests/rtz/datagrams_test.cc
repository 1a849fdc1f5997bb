// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What goes through a channel, by each executor.

#include <poll.h>

#include <random>

#include "tests/rtz/channels.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint32_t kLongest = 1 << 20;
constexpr vmmc_rtz_budget kLong{
    .messages = 1, .period = 10 * kMillisecond, .longest = kLongest, .deadline = kSecond};

std::vector<std::size_t> lengths() {
  std::vector<std::size_t> all{0,    1,    7,      8,      63,     4095,         4096,
                               4097, 8191, 12'288, 20'480, 65'536, kLongest - 1, kLongest};
  std::minstd_rand random(3);
  for (int i = 0; i < 40; ++i) all.push_back(random() % (kLongest >> random() % 18));
  return all;
}

}  // namespace

TEST_CASE("S14.1 datagrams of all lengths arrive whole, in order, with their tags") {
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part&) {
         attach();
         vmmc_rtz_channel* const channel = open(kLong, 4);
         std::uint64_t number = 0;
         for (const std::size_t length : lengths()) {
           const vmmc_rtz_datagram datagram = receive(channel);
           EXPECT(datagram.length == length);
           EXPECT(datagram.number == number);
           EXPECT(datagram.tag == number);
           EXPECT(is_filled(datagram, number));
           give_back(channel, datagram);
           ++number;
         }
         vmmc_rtz_datagram none{};
         EXPECT(vmmc_rtz_receive(channel, &none, kPatience) == VMMC_END);
         EXPECT(counters_of(channel).received == number);
         EXPECT(counters_of(channel).lost == 0);
         EXPECT(vmmc_finalize() == VMMC_OK);
       },
       [](Part&) {
         attach();
         vmmc_rtz_channel* const channel = connect(0);
         std::vector<unsigned char> own(kLongest);
         std::uint64_t number = 0;
         for (const std::size_t length : lengths()) {
           if (number % 2 == 0) {
             send(channel, length, number++);
             continue;
           }
           fill(own.data(), length, number);
           int status = VMMC_OK;
           while ((status = vmmc_rtz_send_copy(channel, own.data(), length, number)) != VMMC_OK) {
             EXPECT((status == VMMC_ERR_OVER_BUDGET || status == VMMC_ERR_NO_PAGE));
             ::usleep(100);
           }
           ++number;
         }
         if (host_is_demanded()) {
           EXPECT(counters_of(channel).executor == VMMC_EXECUTOR_HOST);
         }
         EXPECT(counters_of(channel).sent == number);
         EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
         EXPECT(vmmc_finalize() == VMMC_OK);
       }});
}

TEST_CASE("S14.2 a page is read where its sender wrote it, and is returned in any order") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           vmmc_rtz_channel* const channel = open(kModest, 3);
                           std::vector<vmmc_rtz_datagram> held;
                           for (int i = 0; i < 3; ++i) held.push_back(receive(channel));
                           part.meet();
                           part.meet();
                           for (const vmmc_rtz_datagram& datagram : held) {
                             // What the sender has stored there since: it is the same page.
                             const auto* const bytes =
                                 static_cast<const volatile unsigned char*>(datagram.data);
                             EXPECT(bytes[0] == 200 + datagram.tag);
                             EXPECT(reinterpret_cast<std::uintptr_t>(datagram.data) % 4096 == 0);
                           }
                           part.meet();
                           give_back(channel, held[1]);
                           EXPECT(vmmc_rtz_return(channel, &held[1]) == VMMC_ERR_NOT_HELD);
                           part.meet();
                           const vmmc_rtz_datagram again = receive(channel);
                           EXPECT(again.data == held[1].data);
                           EXPECT(vmmc_rtz_return(channel, &held[1]) == VMMC_ERR_NOT_HELD);
                           for (const vmmc_rtz_datagram& datagram : {again, held[2], held[0]}) {
                             give_back(channel, datagram);
                           }
                         },
                         [](Part& part) {
                           attach();
                           vmmc_rtz_channel* const channel = connect(0);
                           void* pages[3];
                           for (std::uint64_t i = 0; i < 3; ++i) {
                             EXPECT(vmmc_rtz_acquire(channel, 64, &pages[i]) == VMMC_OK);
                             EXPECT(vmmc_rtz_send(channel, pages[i], 64, i) == VMMC_OK);
                             EXPECT(vmmc_rtz_send(channel, pages[i], 64, i) == VMMC_ERR_NOT_HELD);
                             EXPECT(vmmc_rtz_release(channel, pages[i]) == VMMC_ERR_NOT_HELD);
                           }
                           part.meet();
                           for (unsigned char i = 0; i < 3; ++i) {
                             static_cast<volatile unsigned char*>(pages[i])[0] =
                                 static_cast<unsigned char>(200 + i);
                           }
                           part.meet();
                           void* memory = nullptr;
                           EXPECT(vmmc_rtz_acquire(channel, 64, &memory) == VMMC_ERR_NO_PAGE);
                           part.meet();
                           part.meet();
                           EXPECT(vmmc_rtz_acquire(channel, 64, &memory) == VMMC_OK);
                           EXPECT(memory == pages[1]);
                           EXPECT(vmmc_rtz_send(channel, memory, 64, 9) == VMMC_OK);
                         }});
}

TEST_CASE("S14.8 a receiver that sleeps is woken, and its descriptor tells of what comes") {
  NicsimProcess nicsim;
  constexpr std::uint64_t kRounds = 40;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           vmmc_rtz_channel* const channel = open();
                           vmmc_rtz_datagram datagram{};
                           EXPECT(vmmc_rtz_receive(channel, &datagram, 0) == VMMC_ERR_TIMEOUT);
                           const std::uint64_t began = now();
                           EXPECT(vmmc_rtz_receive(channel, &datagram, 20 * kMillisecond) ==
                                  VMMC_ERR_TIMEOUT);
                           EXPECT(now() - began >= 20 * kMillisecond);
                           part.meet();
                           int descriptor = -1;
                           EXPECT(vmmc_rtz_descriptor(channel, &descriptor) == VMMC_OK);
                           for (std::uint64_t i = 0; i < kRounds; ++i) {
                             if (i % 2 == 0) {
                               give_back(channel, receive(channel));
                               continue;
                             }
                             pollfd descriptors{descriptor, POLLIN, 0};
                             while (vmmc_rtz_receive(channel, &datagram, 0) != VMMC_OK) {
                               if (vmmc_rtz_arm(channel) == VMMC_PENDING) continue;
                               EXPECT(::poll(&descriptors, 1, -1) == 1);
                             }
                             give_back(channel, datagram);
                           }
                         },
                         [](Part& part) {
                           attach();
                           vmmc_rtz_channel* const channel = connect(0);
                           part.meet();
                           for (std::uint64_t i = 0; i < kRounds; ++i) {
                             ::usleep(3000);  // so that it sleeps
                             send(channel, 64, i);
                           }
                           EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
                         }});
}

TEST_CASE("S14.14 latencies and deadlines are counted, and both ends can see them") {
  NicsimProcess nicsim;
  constexpr std::uint64_t kDatagrams = 200;
  const auto look_at_them = [](vmmc_rtz_channel* channel) {
    std::uint64_t half = 0;
    std::uint64_t longest = 0;
    EXPECT(vmmc_rtz_latency(channel, 0.5, &half) == VMMC_OK);
    EXPECT(vmmc_rtz_latency(channel, 1, &longest) == VMMC_OK);
    EXPECT(half > 0);
    EXPECT(longest >= half);
    EXPECT(longest >= 9 * kMillisecond);
    EXPECT(vmmc_rtz_latency(channel, 1.5, &half) == VMMC_ERR_INVALID_ARGUMENT);
    EXPECT(counters_of(channel).received == kDatagrams);
    EXPECT(counters_of(channel).deadline_misses >= 1);
    vmmc_rtz_budget budget{};
    std::uint32_t depth = 0;
    EXPECT(vmmc_rtz_get_budget(channel, &budget, &depth) == VMMC_OK);
    EXPECT(budget.longest == kModest.longest);
    EXPECT(depth == 32);
  };
  run_processes(nicsim, {[&](Part& part) {
                           attach();
                           vmmc_rtz_budget budget = kModest;
                           budget.deadline = 5 * kMillisecond;
                           vmmc_rtz_channel* const channel = open(budget);
                           std::uint64_t misses = 0;
                           for (std::uint64_t i = 0; i < kDatagrams; ++i) {
                             if (i == 0) {
                               part.meet();
                               ::usleep(10'000);
                             }
                             const vmmc_rtz_datagram datagram = receive(channel);
                             if (datagram.latency > budget.deadline) ++misses;
                             give_back(channel, datagram);
                           }
                           EXPECT(counters_of(channel).deadline_misses == misses);
                           look_at_them(channel);
                           part.meet();
                           part.meet();
                         },
                         [&](Part& part) {
                           attach();
                           vmmc_rtz_channel* const channel = connect(0);
                           send(channel, 64, 0);
                           part.meet();
                           for (std::uint64_t i = 1; i < kDatagrams; ++i) send(channel, 64, i);
                           part.meet();
                           look_at_them(channel);
                           part.meet();
                         }});
}

TEST_CASE("S14.15 datagrams and bulk transfers of the same processes do not disturb each other") {
  NicsimProcess nicsim;
  constexpr std::uint64_t kDatagrams = 2000;
  constexpr std::size_t kBulk = 1 << 20;
  constexpr std::size_t kFlag = kBulk - 8;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   const unsigned char* const memory = export_new(kBulk, 1);
                   vmmc_rtz_channel* const channel = open();
                   part.meet();
                   for (std::uint64_t i = 0; i < kDatagrams; ++i) {
                     const vmmc_rtz_datagram datagram = receive(channel);
                     EXPECT(datagram.number == i);
                     EXPECT(is_filled(datagram, i));
                     give_back(channel, datagram);
                   }
                   await(memory + kFlag, 0x01020304);
                   for (std::size_t i = 0; i < kFlag; ++i) EXPECT(memory[i] == byte_of(9, i));
                 },
                 [](Part& part) {
                   attach();
                   part.meet();
                   const Proxy proxy = import_from(0, 1);
                   vmmc_rtz_channel* const channel = connect(0);
                   std::vector<unsigned char> bulk(kFlag);
                   fill(bulk.data(), bulk.size(), 9);
                   for (std::uint64_t i = 0; i < kDatagrams; ++i) {
                     if (i % 50 == 0) {
                       EXPECT(vmmc_send(bulk.data(), proxy.address, bulk.size()) == VMMC_OK);
                     }
                     send(channel, 1 + i % 4096, i);
                   }
                   send_word(0x01020304, proxy.address + kFlag);
                   EXPECT(vmmc_fence() == VMMC_OK);
                 }});
}
