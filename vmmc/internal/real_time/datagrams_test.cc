// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Both ends over one memory, in one thread.

#include <doctest/doctest.h>
#include <poll.h>

#include <array>
#include <cstring>
#include <string>

#include "nicsim/wire/latency_buckets.h"
#include "vmmc/internal/clock.h"
#include "vmmc/internal/error.h"
#include "vmmc/internal/real_time/testing/fake_channel.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

void* acquired(FakeChannel& channel, std::size_t length) {
  void* memory = nullptr;
  REQUIRE(channel.sender->acquire(length, &memory) == VMMC_OK);
  return memory;
}

void send(FakeChannel& channel, const std::string& text, std::uint64_t tag = 0) {
  void* const memory = acquired(channel, text.size());
  std::memcpy(memory, text.data(), text.size());
  REQUIRE(channel.sender->send(memory, text.size(), tag) == VMMC_OK);
}

vmmc_rtz_datagram received(FakeChannel& channel) {
  vmmc_rtz_datagram datagram{};
  REQUIRE(channel.receiver->receive(&datagram, 0) == VMMC_OK);
  return datagram;
}

std::string text_of(const vmmc_rtz_datagram& datagram) {
  return {static_cast<const char*>(datagram.data), datagram.length};
}

int nothing_comes(FakeChannel& channel) {
  vmmc_rtz_datagram datagram{};
  return channel.receiver->receive(&datagram, 0);
}

std::string pattern(std::size_t length, std::uint32_t seed) {
  std::string text(length, '\0');
  for (std::size_t i = 0; i < length; ++i) {
    text[i] = static_cast<char>((i * 2654435761u + seed) >> 11);
  }
  return text;
}

}  // namespace

TEST_CASE("a page is read where it was written, and comes back") {
  FakeChannel channel({.depth = 2});
  void* const memory = acquired(channel, 5);
  std::memcpy(memory, "hello", 5);
  REQUIRE(channel.sender->send(memory, 5, 42) == VMMC_OK);
  const vmmc_rtz_datagram datagram = received(channel);
  CHECK(datagram.data == memory);
  CHECK(text_of(datagram) == "hello");
  CHECK(datagram.number == 0);
  CHECK(datagram.tag == 42);
  CHECK(channel.receiver->give_back(datagram) == VMMC_OK);
  CHECK(channel.receiver->give_back(datagram) == VMMC_ERR_NOT_HELD);
  CHECK(nothing_comes(channel) == VMMC_ERR_TIMEOUT);
}

TEST_CASE("datagrams of all lengths arrive whole by either executor, and while it changes") {
  for (const int way : {0, 1, 2}) {
    FakeChannel channel({.depth = 3, .longest = 100'000, .period = 1});
    std::uint32_t n = 0;
    for (const std::size_t length : {0, 1, 4095, 4096, 4097, 8192, 20'000, 65'537, 100'000}) {
      const bool nic = way == 1 || (way == 2 && n % 3 != 0);
      channel.set_executor(nic ? wire::ExecutorDemand::kNic : wire::ExecutorDemand::kHost);
      const std::string text = pattern(length, n);
      const std::uint64_t tag = n;
      if (n % 2 == 0) {
        send(channel, text, tag);
      } else {
        REQUIRE(channel.sender->send_copy(text.data(), text.size(), tag) == VMMC_OK);
      }
      channel.carry_out();
      const vmmc_rtz_datagram datagram = received(channel);
      CHECK(text_of(datagram) == text);
      CHECK(datagram.number == n++);
      CHECK(datagram.tag == tag);
      CHECK(channel.receiver->give_back(datagram) == VMMC_OK);
    }
  }
}

TEST_CASE("a short datagram from memory for a long one goes by page") {
  FakeChannel channel({.depth = 1, .longest = 9000});
  void* const memory = acquired(channel, 9000);
  std::memcpy(memory, "short", 5);
  REQUIRE(channel.sender->send(memory, 5, 0) == VMMC_OK);
  const vmmc_rtz_datagram datagram = received(channel);
  CHECK(text_of(datagram) == "short");
  CHECK(wire::returned_place(datagram.held) == wire::DatagramPlace::kPage);
}

TEST_CASE("no datagram goes by the host executor while nicsim has one") {
  FakeChannel channel({.depth = 4});
  channel.set_executor(wire::ExecutorDemand::kNic);
  send(channel, "a");
  channel.set_executor(wire::ExecutorDemand::kHost);
  send(channel, "b");
  CHECK(nothing_comes(channel) == VMMC_ERR_TIMEOUT);
  CHECK(channel.carry_out() == 2);
  send(channel, "c");
  CHECK(text_of(received(channel)) == "a");
  CHECK(text_of(received(channel)) == "b");
  CHECK(text_of(received(channel)) == "c");
}

TEST_CASE("nicsim is rung if it sleeps, and only then") {
  FakeChannel channel({}, false);
  const auto rung = [&] {
    std::uint64_t rings = 0;
    return ::read(channel.doorbell.get(), &rings, sizeof rings) == sizeof rings;
  };
  send(channel, "a");
  CHECK_FALSE(rung());
  channel.nic_sleeps = 1;
  send(channel, "b");
  CHECK(rung());
  CHECK(channel.nic_sleeps == 0);
}

TEST_CASE("what may be out is counted, whoever has it") {
  FakeChannel channel({.depth = 2, .longest = 5000, .period = 1});
  void* const first = acquired(channel, 10);
  send(channel, "b");
  void* memory = nullptr;
  CHECK(channel.sender->acquire(1, &memory) == VMMC_ERR_NO_PAGE);
  CHECK(channel.sender->acquire(5000, &memory) == VMMC_ERR_NO_PAGE);
  CHECK(channel.sender->send_copy("c", 1, 0) == VMMC_ERR_NO_PAGE);
  CHECK(channel.sender->acquire(5001, &memory) == VMMC_ERR_TOO_LONG);
  CHECK(channel.sender->release(first) == VMMC_OK);
  CHECK(channel.sender->release(first) == VMMC_ERR_NOT_HELD);
  CHECK(channel.sender->send(first, 1, 0) == VMMC_ERR_NOT_HELD);
  void* const longer = acquired(channel, 5000);
  CHECK(channel.sender->send(static_cast<char*>(longer) + 1, 1, 0) == VMMC_ERR_NOT_HELD);
  CHECK(channel.sender->send(longer, 5001, 0) == VMMC_ERR_TOO_LONG);
  CHECK(channel.sender->send(longer, 5000, 0) == VMMC_OK);
  const vmmc_rtz_datagram b = received(channel);
  const vmmc_rtz_datagram c = received(channel);
  CHECK(channel.sender->acquire(1, &memory) == VMMC_ERR_NO_PAGE);
  CHECK(channel.receiver->give_back(c) == VMMC_OK);  // in any order
  acquired(channel, 1);
  CHECK(channel.receiver->give_back(b) == VMMC_OK);
  acquired(channel, 5000);
  vmmc_rtz_counters counters{};
  channel.sender->read_counters(counters);
  CHECK(counters.without_page == 4);
  CHECK(counters.sent == 2);
}

TEST_CASE("any messages + 1 sends in a row take longer than a period") {
  constexpr std::uint64_t kPeriod = 200'000;
  FakeChannel channel({.depth = 1, .messages = 3, .period = kPeriod});
  std::vector<std::uint64_t> sent;
  std::uint64_t refused = 0;
  while (sent.size() < 30) {
    const std::uint64_t before = monotonic_ns();
    const int status = channel.sender->send_copy("x", 1, 0);
    const std::uint64_t after = monotonic_ns();
    if (status == VMMC_OK) {
      sent.push_back(channel.arrival().slots[sent.size() % wire::kChannelSlots].sent);
      CHECK(sent.back() >= before);
      CHECK(channel.receiver->give_back(received(channel)) == VMMC_OK);
      continue;
    }
    REQUIRE(status == VMMC_ERR_OVER_BUDGET);
    ++refused;
    REQUIRE(sent.size() >= 3);
    CHECK(before <= sent[sent.size() - 3] + kPeriod);  // it was right to refuse
    const std::uint64_t wait = channel.sender->next_send();
    CHECK(wait <= kPeriod + 1);
    while (monotonic_ns() < after + wait) {
    }
  }
  for (std::size_t i = 3; i < sent.size(); ++i) CHECK(sent[i] - sent[i - 3] > kPeriod);
  vmmc_rtz_counters counters{};
  channel.sender->read_counters(counters);
  CHECK(counters.over_budget == refused);
  CHECK(refused > 0);
}

TEST_CASE("lost datagrams are passed over and counted, and their memory comes back") {
  FakeChannel channel({.depth = 2, .longest = 9000, .period = 1}, false);
  for (int round = 0; round < 1000; ++round) {
    send(channel, "gone");
    send(channel, pattern(9000, 1));
    CHECK(channel.carry_out(true) == 2);
    send(channel, "there");
    channel.carry_out();
    const vmmc_rtz_datagram datagram = received(channel);
    CHECK(text_of(datagram) == "there");
    CHECK(datagram.number == 3u * static_cast<unsigned>(round) + 2);
    CHECK(channel.receiver->give_back(datagram) == VMMC_OK);
  }
  vmmc_rtz_counters counters{};
  channel.receiver->read_counters(counters);
  CHECK(counters.lost == 2000);
  CHECK(counters.received == 1000);
  CHECK(counters.sent == 3000);
}

TEST_CASE("lost datagrams that the receiver has not passed fill the arrival queue, and no more") {
  FakeChannel channel({.depth = 2, .period = 1}, false);
  void* memory = nullptr;
  std::uint32_t sent = 0;
  while (channel.sender->acquire(1, &memory) == VMMC_OK) {
    REQUIRE(channel.sender->send(memory, 1, 0) == VMMC_OK);
    ++sent;
    channel.carry_out(true);
    REQUIRE(sent <= wire::kChannelSlots);
  }
  CHECK(sent == wire::kChannelSlots);
  CHECK(std::string(last_error()) ==
        "the receiver has come to datagram 0, and may be 256 behind; lost ones count, 256 are sent "
        "and 0 acquired");
  CHECK(nothing_comes(channel) == VMMC_ERR_TIMEOUT);
  send(channel, "again");
  channel.carry_out();
  CHECK(text_of(received(channel)) == "again");
}

TEST_CASE("the end of the sender is told after what had arrived") {
  FakeChannel channel({});
  send(channel, "last");
  channel.set_state(wire::ChannelState::kSenderEnded, VMMC_ERR_PEER_DEAD);
  CHECK(text_of(received(channel)) == "last");
  CHECK(nothing_comes(channel) == VMMC_ERR_PEER_DEAD);
  channel.set_state(wire::ChannelState::kSenderEnded);
  CHECK(nothing_comes(channel) == VMMC_END);
}

TEST_CASE("the end of nicsim is told after what had arrived") {
  FakeChannel channel({});
  send(channel, "last");
  void* const memory = acquired(channel, 1);
  channel.gone = true;
  CHECK(text_of(received(channel)) == "last");
  CHECK(nothing_comes(channel) == VMMC_ERR_NICSIM_GONE);
  CHECK(channel.sender->send(memory, 1, 0) == VMMC_ERR_NICSIM_GONE);
  CHECK(channel.sender->release(memory) == VMMC_OK);
}

TEST_CASE("a receiver that has ended is sent nothing") {
  FakeChannel channel({});
  void* memory = acquired(channel, 1);
  channel.set_state(wire::ChannelState::kReceiverEnded, VMMC_ERR_PEER_DEAD);
  CHECK(channel.sender->acquire(1, &memory) == VMMC_ERR_PEER_DEAD);
  CHECK(channel.sender->send(memory, 1, 0) == VMMC_ERR_PEER_DEAD);
  CHECK(channel.sender->send_copy("x", 1, 0) == VMMC_ERR_PEER_DEAD);
  CHECK(std::string(last_error()).find("ended") != std::string::npos);
}

TEST_CASE("the descriptor tells of what comes after arming") {
  FakeChannel channel({.period = 1});
  const auto readable = [&] {
    pollfd descriptor{channel.receiver->descriptor(), POLLIN, 0};
    return ::poll(&descriptor, 1, 0) == 1;
  };
  CHECK(channel.receiver->arm() == VMMC_OK);
  CHECK_FALSE(readable());
  send(channel, "a");
  CHECK(readable());
  CHECK(channel.receiver->arm() == VMMC_PENDING);
  received(channel);
  CHECK(channel.receiver->arm() == VMMC_OK);
  CHECK_FALSE(readable());
  channel.set_state(wire::ChannelState::kSenderEnded);
  CHECK(readable());
  CHECK(channel.receiver->arm() == VMMC_PENDING);
}

TEST_CASE("what comes later than the deadline is a miss") {
  FakeChannel channel({.period = 1, .deadline = 10'000'000});
  send(channel, "in time");
  received(channel);
  send(channel, "late");
  channel.arrival().slots[1].sent -= 20'000'000;
  const vmmc_rtz_datagram late = received(channel);
  CHECK(late.latency >= 20'000'000);
  vmmc_rtz_counters counters{};
  channel.receiver->read_counters(counters);
  CHECK(counters.deadline_misses == 1);
  const std::uint64_t longest = wire::latency_of_share(channel.demand(), 1);
  CHECK(longest >= late.latency / 100 * 96);
  CHECK(longest <= late.latency / 100 * 104);
}
