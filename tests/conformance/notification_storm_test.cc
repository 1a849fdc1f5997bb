// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Thousands of notifying messages of random lengths and sources, while the receiver blocks,
// unblocks and waits at random: each is told of once, rightly, and not before its bytes are there.
#include <doctest/doctest.h>

#include <cstdlib>
#include <random>
#include <vector>

#include "tests/conformance/notifications.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint32_t kEach = 1200;  // messages of each sender
constexpr std::uint32_t kSenders = 2;
constexpr std::uint32_t kAll = kEach * kSenders;
constexpr std::size_t kLongest = 200'000;

struct Message {
  std::size_t offset;
  std::size_t length;
  bool in_place;
};

// The same in the sender and in the receiver. Each message has bytes of the buffer to itself.
std::vector<Message> messages_of(unsigned seed, std::uint32_t sender) {
  std::mt19937 random(seed + sender);
  std::vector<Message> messages;
  std::size_t offset = 0;
  for (std::uint32_t i = 0; i < kEach; ++i) {
    const std::uint32_t kind = random() % 100;
    const std::size_t limit = kind < 60 ? 40 : kind < 90 ? 5000 : kind < 97 ? 70'000 : kLongest;
    const std::size_t length = 1 + random() % limit;
    messages.push_back({offset, length, random() % 2 == 0});
    offset += length;
  }
  return messages;
}

std::size_t bytes_of(const std::vector<Message>& messages) {
  return messages.back().offset + messages.back().length;
}

unsigned char byte_of(std::uint32_t sender, std::uint32_t message, std::size_t i) {
  return static_cast<unsigned char>(1 + (sender * 89 + message * 31 + i * 7 + i / 256) % 255);
}

// Of the receiver.
std::vector<Message> expected[kSenders + 1];
std::atomic<bool> seen[kSenders + 1][kEach];
std::atomic<std::uint32_t> told{0};
std::uint32_t next_of[kSenders + 1];
bool some_are_waited_for = false;

void check(const vmmc_notification& notification) {
  const std::uint32_t sender = notification.sender.process;
  EXPECT(sender >= 1 && sender <= kSenders);
  EXPECT(notification.sender.node == sender);
  EXPECT(notification.buffer_id == sender);
  const std::uint32_t number = notification.immediate;
  EXPECT(number < kEach);
  EXPECT(!seen[sender][number].exchange(true));
  const Message& message = expected[sender][number];
  EXPECT(notification.offset == message.offset);
  EXPECT(notification.length == message.length);
  const unsigned char* bytes =
      static_cast<unsigned char*>(notification.buffer) + notification.offset;
  for (std::size_t i = 0; i < message.length; ++i) EXPECT(bytes[i] == byte_of(sender, number, i));
  told.fetch_add(1);
}

void on_message(const vmmc_notification* notification, void*) {
  const Log::Running running;
  if (!some_are_waited_for) {
    EXPECT(notification->immediate == next_of[notification->sender.process]++);
  }
  check(*notification);
}

void stay_a_while(unsigned microseconds) {
  if (needs_real_time()) {
    EXPECT(vmmc_compute(std::uint64_t{microseconds} * 1000) == VMMC_OK);
  } else {
    ::usleep(microseconds);
  }
}

void change_something(std::mt19937& random, vmmc_delivery way) {
  const std::uint32_t depth = random() % 3;
  for (std::uint32_t i = 0; i < depth; ++i) EXPECT(vmmc_block_notifications() == VMMC_OK);
  if (random() % 4 == 0) stay_a_while(random() % 3000);
  if (some_are_waited_for && random() % 2 == 0) {
    vmmc_notification taken{};
    const std::uint64_t timeout = random() % 4 == 0 ? 0 : random() % 1'000'000;
    const int status = vmmc_wait_notification(1 + random() % kSenders, timeout, &taken);
    EXPECT(status == VMMC_OK || status == VMMC_ERR_TIMEOUT);
    if (status == VMMC_OK) check(taken);
  }
  for (std::uint32_t i = 0; i < depth; ++i) {
    EXPECT((vmmc_unblock_notifications() > 0) == (i + 1 == depth));
  }
  if (way != VMMC_DELIVER_BY_DISPATCH) return;
  const std::uint32_t most = random() % 200;
  EXPECT(vmmc_dispatch(most) >= 0);
}

void receive(vmmc_delivery way, bool waits, unsigned seed) {
  some_are_waited_for = waits;
  attach_with(way);
  for (std::uint32_t sender = 1; sender <= kSenders; ++sender) {
    expected[sender] = messages_of(seed, sender);
    export_with(bytes_of(expected[sender]), sender, on_message);
  }
  std::mt19937 random(seed);
  while (told.load() < kAll) {
    change_something(random, way);
    keep_looking();
  }
  ::usleep(1'000);
  if (way == VMMC_DELIVER_BY_DISPATCH) EXPECT(vmmc_dispatch(0) == 0);
  EXPECT(told.load() == kAll);
  EXPECT(counters().notifications_received == kAll);
}

void send(std::uint32_t sender, unsigned seed) {
  attach();
  const std::vector<Message> messages = messages_of(seed, sender);
  const Proxy proxy = import_from(0, sender);
  auto* allocated = static_cast<unsigned char*>(allocate(kLongest));
  std::vector<unsigned char> heap(kLongest);
  for (std::uint32_t number = 0; number < kEach; ++number) {
    const Message& message = messages[number];
    unsigned char* source = message.in_place ? allocated : heap.data();
    for (std::size_t i = 0; i < message.length; ++i) source[i] = byte_of(sender, number, i);
    EXPECT(vmmc_send_notify(source, proxy.address + message.offset, message.length, number) ==
           VMMC_OK);
  }
  EXPECT(vmmc_fence() == VMMC_OK);
  EXPECT(counters().notifications_sent == kEach);
}

void storm(bool waits) {
  NicsimProcess nicsim;
  const char* chosen = std::getenv("VMMC_SEED");
  const unsigned seed = chosen == nullptr
                            ? std::random_device{}()
                            : static_cast<unsigned>(std::strtoul(chosen, nullptr, 10));
  MESSAGE("VMMC_SEED=" << seed);
  for_each_way([&](vmmc_delivery way) {
    run_processes(nicsim, {[=](Part&) { receive(way, waits, seed); },
                           [seed](Part&) { send(1, seed); }, [seed](Part&) { send(2, seed); }});
  });
}

}  // namespace

TEST_CASE("S7.1 S7.4 S7.5 S10.5 a storm, with notifications blocked at random") { storm(false); }

TEST_CASE("S7.4 S7.11 a storm, with some notifications taken by waits") { storm(true); }
