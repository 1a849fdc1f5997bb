// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Imports change their executor all the time, while processes send without pause.

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <vector>

#include "nicsim/wire/control.h"
#include "tests/conformance/executors.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint32_t kSenders = 2;
constexpr std::size_t kRing = 64;              // words on their way to one receiver
constexpr std::size_t kMessageWords = 3000;    // all of them the number of the message
constexpr std::size_t kLane = 8 * kPage;       // what one sender has of the buffer
constexpr std::size_t kMessageAt = 2 * kPage;  // in the lane

constexpr int kStop = 0;  // indices of Part::value
constexpr int kSwitches = 1;
constexpr int kSent = 10;  // and one for each sender
constexpr int kByHost = 20;
constexpr int kSeen = 30;
constexpr std::uint64_t kNumbers = 2000;  // those take many switches

bool soak() { return std::getenv("VMMC_SOAK") != nullptr; }
std::uint64_t switches() { return soak() ? 20'000 : 1000; }

// The lane: kRing words that hold the number of the send, sent round and round; what the receiver
// has seen stands in shared memory of the test. A message goes out for each 16 words, before the
// word that announces it.
void send_numbers(Part& part) {
  attach();
  part.meet();
  const Proxy proxy = import_by_host(0, 1);
  part.meet();
  const std::uint32_t me = part.number() - 1;
  unsigned char* const lane = proxy.address + me * kLane;
  std::atomic<std::uint64_t>& seen = part.value(kSeen + static_cast<int>(me));
  std::vector<std::uint64_t> message(kMessageWords / 2);
  std::uint64_t sends = 0;
  std::uint64_t number = 0;
  for (;;) {
    ++number;
    while (number > seen + kRing && part.value(kStop) == 0) ::sched_yield();
    if (part.value(kStop) != 0) break;
    if (number % 16 == 0) {
      std::fill(message.begin(), message.end(), number);
      const std::size_t bytes = message.size() * 8;
      if (number % 32 == 0) {
        EXPECT(vmmc_send(message.data(), lane + kMessageAt, bytes) == VMMC_OK);
      } else {
        vmmc_send_handle handle = 0;
        EXPECT(vmmc_send_start(message.data(), lane + kMessageAt, bytes, &handle) == VMMC_OK);
        EXPECT(vmmc_send_wait(handle) == VMMC_OK);
      }
      ++sends;
    }
    unsigned char* const word = lane + 8 * (number % kRing);
    EXPECT(vmmc_send(&number, word, 8) == VMMC_OK);
    ++sends;
    if (number % 256 == 0) {
      EXPECT(vmmc_send_notify(&number, lane + kPage, 8, 0) == VMMC_OK);
      ++sends;
    }
  }
  // A last one, that says that it is the last.
  number = UINT64_MAX;
  EXPECT(vmmc_send(&number, lane + kPage + 8, 8) == VMMC_OK);
  EXPECT(vmmc_fence() == VMMC_OK);
  const vmmc_counters sent = counters();
  EXPECT(sent.transfers_sent == sends + 1);
  EXPECT(sent.host_executor_sends + sent.nic_executor_sends == sends + 1);
  EXPECT(sent.host_executor_sends > 0);
  EXPECT(sent.nic_executor_sends > sends / 1000);
  part.value(kSent + static_cast<int>(me)) = sends + 1;
  part.value(kByHost + static_cast<int>(me)) = sent.host_executor_sends;
  part.meet();
}

// One lane: every number once, in order, and each message whole before its word.
class Lane {
 public:
  Lane(const unsigned char* lane, std::atomic<std::uint64_t>& seen) : lane_(lane), seen_(seen) {}

  // What has come since the last look. A word of the ring holds its number, or its last round's.
  bool look() {
    const std::uint64_t due = seen_ + 1;
    const std::uint64_t found = word(8 * (due % kRing));
    const std::uint64_t before = due > kRing ? due - kRing : 0;
    if (found != due) {
      EXPECT(found == before);
      return false;
    }
    if (due % 16 == 0) {
      // The next message waits for the numbers before it, the word after this one may not.
      for (std::size_t i = 0; i < kMessageWords / 2; ++i) {
        const std::uint64_t there = word(kMessageAt + 8 * i);
        EXPECT(there >= due);
        EXPECT(there % 16 == 0);
        EXPECT(there <= due + kRing);
      }
    }
    // What follows is later than this, not earlier, and no further than the ring.
    const std::uint64_t next = word(8 * ((due + 1) % kRing));
    EXPECT((next == due + 1 || next + kRing == due + 1 || next == 0));
    seen_ = due;
    return true;
  }
  bool ended() const { return word(kPage + 8) == UINT64_MAX; }

 private:
  std::uint64_t word(std::size_t offset) const {
    return __atomic_load_n(reinterpret_cast<const std::uint64_t*>(lane_ + offset),
                           __ATOMIC_ACQUIRE);
  }

  const unsigned char* lane_;
  std::atomic<std::uint64_t>& seen_;
};

void receive_numbers(Part& part) {
  attach();
  const unsigned char* memory = export_new(kSenders * kLane, 1);
  part.meet();
  part.meet();
  std::vector<std::thread> threads;
  for (std::uint32_t number = 0; number < kSenders; ++number) {
    threads.emplace_back([&, number] {
      Lane lane(memory + number * kLane, part.value(kSeen + static_cast<int>(number)));
      for (;;) {
        const bool last = lane.ended();
        if (lane.look()) continue;
        if (last) return;
        ::sched_yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  part.meet();
  std::uint64_t sent = 0;
  for (std::uint32_t number = 0; number < kSenders; ++number) {
    sent += part.value(kSent + static_cast<int>(number));
  }
  EXPECT(counters().transfers_received == sent);
}

}  // namespace

TEST_CASE("S11.8 nothing is lost, repeated or overtaken while a watch comes and goes") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {receive_numbers, send_numbers, send_numbers, [&](Part& part) {
                   part.meet();
                   part.meet();
                   RawClient watcher(nicsim.socket());
                   watcher.attach();
                   const std::uint64_t least = switches();
                   // Also until each sender has sent by both executors.
                   const auto enough_seen = [&] {
                     return part.value(kSeen) > kNumbers && part.value(kSeen + 1) > kNumbers;
                   };
                   for (std::uint64_t i = 1; i <= least || !enough_seen(); ++i) {
                     const auto answer = watcher.ask<vmmc::wire::PlainReply>(
                         vmmc::wire::WatchRequest{watcher.header(vmmc::wire::MessageType::kWatch),
                                                  static_cast<std::uint32_t>(i % 2), 0});
                     EXPECT(answer.header.status == vmmc::wire::Status::kOk);
                     part.value(kSwitches) = i;
                     ::usleep(i * 7919 % 1500);
                   }
                   part.value(kStop) = 1;
                   part.meet();
                 }});
}
