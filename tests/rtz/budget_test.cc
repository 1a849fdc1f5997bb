// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Budgets, admission and rights.

#include <algorithm>

#include "tests/rtz/channels.h"

using namespace vmmc::testing;

namespace {

// Whether the last refusal's sentence has all of these in it.
bool says(std::initializer_list<const char*> words) {
  const std::string sentence = vmmc_last_error();
  return std::all_of(words.begin(), words.end(),
                     [&](const char* word) { return sentence.find(word) != std::string::npos; });
}

vmmc_rtz_budget of(std::uint32_t messages, std::uint64_t period, std::uint32_t longest,
                   std::uint64_t deadline) {
  return {messages, period, longest, deadline};
}

constexpr vmmc_rtz_options kDefaults = VMMC_RTZ_DEFAULTS;

vmmc_rtz_options by_nic() {
  vmmc_rtz_options options = VMMC_RTZ_DEFAULTS;
  options.executor = VMMC_EXECUTOR_NIC;
  return options;
}

}  // namespace

TEST_CASE("S14.3 any messages + 1 sends in a row take longer than a period") {
  NicsimProcess nicsim;
  constexpr std::uint32_t kSends = 60;
  constexpr std::uint64_t kPeriod = 2 * kMillisecond;
  run_processes(nicsim,
                {[](Part&) {
                   attach();
                   vmmc_rtz_channel* const channel =
                       open({.messages = 4, .period = kPeriod, .longest = 64, .deadline = kSecond},
                            kSends);  // so many pages: whoever receives may be late
                   for (std::uint64_t i = 0; i < kSends; ++i) give_back(channel, receive(channel));
                   vmmc_rtz_datagram none{};
                   EXPECT(vmmc_rtz_receive(channel, &none, kPatience) == VMMC_END);
                   EXPECT(counters_of(channel).lost == 0);
                 },
                 [](Part&) {
                   attach();
                   vmmc_rtz_channel* const channel = connect(0);
                   std::vector<std::uint64_t> before_of;
                   std::vector<std::uint64_t> after;
                   std::uint64_t refused = 0;
                   while (after.size() < kSends) {
                     const std::uint64_t before = now();
                     void* memory = nullptr;
                     EXPECT(vmmc_rtz_acquire(channel, 64, &memory) == VMMC_OK);
                     const int status = vmmc_rtz_send(channel, memory, 64, 0);
                     if (status == VMMC_OK) {
                       after.push_back(now());
                       // Five sends: the first began before it ended, so this is on the safe side.
                       const std::size_t n = after.size();
                       if (n > 4) EXPECT(after.back() - before_of[n - 5] > kPeriod);
                       before_of.push_back(before);
                       continue;
                     }
                     EXPECT(status == VMMC_ERR_OVER_BUDGET);
                     EXPECT(after.size() >= 4);
                     EXPECT(says({"4 datagrams", "2000000 ns"}));
                     ++refused;
                     // The memory is still ours.
                     std::uint64_t wait = 0;
                     EXPECT(vmmc_rtz_next_send(channel, &wait) == VMMC_OK);
                     EXPECT(wait <= kPeriod + 1);
                     const std::uint64_t end = now() + wait;
                     while (now() < end) {
                     }
                     before_of.push_back(now());
                     EXPECT(vmmc_rtz_send(channel, memory, 64, 0) == VMMC_OK);
                     after.push_back(now());
                   }
                   EXPECT(refused > 0);
                   EXPECT(counters_of(channel).over_budget == refused);
                   EXPECT(after.back() - after.front() > (kSends / 4 - 1) * kPeriod);
                   EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
                 }});
}

TEST_CASE("S14.4 a sender whose pages are all out is refused until one comes back") {
  NicsimProcess nicsim;
  constexpr std::uint32_t kDepth = 3;
  static constexpr vmmc_rtz_budget kQuick{
      .messages = 20, .period = kMillisecond, .longest = 6000, .deadline = kSecond};
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           vmmc_rtz_channel* const channel = open(kQuick, kDepth);
                           std::vector<vmmc_rtz_datagram> held;
                           for (std::uint32_t i = 0; i < kDepth; ++i)
                             held.push_back(receive(channel));
                           part.meet();
                           part.meet();
                           for (std::uint32_t i = 0; i < kDepth; ++i) {
                             EXPECT(is_filled(held[i], i));
                             give_back(channel, held[i]);
                             const vmmc_rtz_datagram next = receive(channel);
                             EXPECT(is_filled(next, kDepth + i));
                             give_back(channel, next);
                           }
                         },
                         [](Part& part) {
                           attach();
                           vmmc_rtz_channel* const channel = connect(0);
                           for (std::uint64_t i = 0; i < kDepth; ++i) {
                             send(channel, i % 2 == 0 ? 100 : 6000, i);
                           }
                           part.meet();
                           void* memory = nullptr;
                           EXPECT(vmmc_rtz_acquire(channel, 1, &memory) == VMMC_ERR_NO_PAGE);
                           EXPECT(says({"3 datagrams"}));
                           EXPECT(vmmc_rtz_acquire(channel, 6000, &memory) == VMMC_ERR_NO_PAGE);
                           EXPECT(vmmc_rtz_send_copy(channel, "x", 1, 0) == VMMC_ERR_NO_PAGE);
                           EXPECT(vmmc_rtz_acquire(channel, 6001, &memory) == VMMC_ERR_TOO_LONG);
                           EXPECT(counters_of(channel).without_page == 3);
                           part.meet();
                           for (std::uint64_t i = 0; i < kDepth; ++i) {
                             send(channel, i % 2 == 0 ? 6000 : 100, kDepth + i);
                           }
                           EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
                         }});
}

TEST_CASE("S14.5 an open that cannot be guaranteed is refused with the reason") {
  NicsimProcess nicsim;
  run_processes(
      nicsim,
      {[](Part& part) {
         attach();
         constexpr std::uint64_t kMs = kMillisecond;
         const struct {
           vmmc_rtz_budget budget;
           const char* named;
         } senseless[] = {
             {of(0, kMs, 64, kMs), "messages"}, {of(1000001, kMs, 64, kMs), "messages"},
             {of(1, 999, 64, kMs), "period"},   {of(1, 10'000'000'001, 64, kMs), "period"},
             {of(1, kMs, 0, kMs), "longest"},   {of(1, kMs, (1 << 20) + 1, kMs), "longest"},
             {of(1, kMs, 64, 0), "deadline"}};
         for (const auto& [budget, named] : senseless) {
           EXPECT(open_status(budget, kDefaults) == VMMC_ERR_BAD_BUDGET);
           EXPECT(says({named}));
         }
         for (const std::uint32_t depth : {0u, 129u}) {
           EXPECT(open_status(kModest, with_depth(depth)) == VMMC_ERR_BAD_BUDGET);
           EXPECT(says({"depth"}));
         }
         // A gigabyte in a millisecond.
         EXPECT(open_status(of(1000, kMs, 1 << 20, kMs), by_nic()) == VMMC_ERR_NIC_OVERCOMMITTED);
         EXPECT(says({"%"}));
         EXPECT(open_status(of(1, kSecond, 1 << 20, 10), by_nic()) == VMMC_ERR_DEADLINE_TOO_SHORT);
         EXPECT(says({"deadline is 10 ns"}));
         vmmc_rtz_channel* const channel = open();
         EXPECT(open_status(kModest, kDefaults) == VMMC_ERR_DUPLICATE_ID);
         vmmc_rtz_options deep = by_nic();
         deep.depth = 128;
         int status = VMMC_OK;
         std::uint32_t opened = 0;
         while ((status = open_status(of(1, kSecond, 1 << 20, kSecond), deep, 100 + opened)) ==
                VMMC_OK) {
           ++opened;
           EXPECT(opened < 64);
         }
         EXPECT(status == VMMC_ERR_RESERVATION_FULL);
         EXPECT(says({"bytes"}));
         opened = 0;
         const vmmc_rtz_options shallow = with_depth(1);
         while ((status = open_status(of(1, kSecond, 64, kSecond), shallow, 1000 + opened)) ==
                VMMC_OK) {
           ++opened;
           EXPECT(opened < 2000);
         }
         // A quarter of all that there may be.
         EXPECT(status == VMMC_ERR_TOO_MANY_CHANNELS);
         EXPECT(opened == 15);
         EXPECT(says({"17", "16"}));
         part.meet();
         part.meet();
         // What is closed can be promised again.
         EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
         EXPECT(vmmc_rtz_close(channel) == VMMC_ERR_BAD_HANDLE);
         (void)open();
         EXPECT(vmmc_finalize() == VMMC_OK);
       },
       [](Part& part) {
         attach();
         part.meet();
         EXPECT(open_status(kModest, kDefaults) == VMMC_OK);
         part.meet();
       }});
}

TEST_CASE("S14.6 a channel has one sender, whom its receiver admits") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           part.meet();
                           (void)open();
                           vmmc_rtz_options other = VMMC_RTZ_DEFAULTS;
                           other.user = 12345;
                           EXPECT(open_status(kModest, other, 20) == VMMC_OK);
                           other = kDefaults;
                           other.from_process = 2;
                           EXPECT(open_status(kModest, other, 21) == VMMC_OK);
                           other = kDefaults;
                           other.from_node = 3;
                           EXPECT(open_status(kModest, other, 22) == VMMC_OK);
                           part.meet();
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           EXPECT(connect_status(0, 0) == VMMC_ERR_TIMEOUT);
                           const std::uint64_t began = now();
                           EXPECT(connect_status(0, 10 * kMillisecond) == VMMC_ERR_TIMEOUT);
                           EXPECT(says({"channel 7"}));
                           EXPECT(now() - began >= 10 * kMillisecond);
                           part.meet();
                           vmmc_rtz_channel* const channel = connect(0);
                           EXPECT(connect_status(0, 0) == VMMC_ERR_CHANNEL_TAKEN);
                           part.meet();
                           for (const std::uint32_t id : {20u, 21u, 22u}) {
                             EXPECT(connect_status(0, 0, id) == VMMC_ERR_PERMISSION_DENIED);
                           }
                           // Also after its sender has left it.
                           EXPECT(vmmc_rtz_close(channel) == VMMC_OK);
                           EXPECT(connect_status(0, 0) == VMMC_ERR_CHANNEL_TAKEN);
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           part.meet();
                           (void)connect(0, 21);
                           part.meet();
                         }});
}

TEST_CASE("S14.16 channels work in real time only") {
  NicsimProcess nicsim({"--model", "shrimp-2"});
  run_processes(nicsim, {[](Part&) {
                  attach();
                  EXPECT(open_status(kModest, kDefaults) == VMMC_ERR_NOT_IN_SIMULATED_TIME);
                  EXPECT(connect_status(0, 0) == VMMC_ERR_NOT_IN_SIMULATED_TIME);
                }});
}
