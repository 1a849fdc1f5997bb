// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Sender, receiver and a stand-in for nicsim in threads of their own: order, content, sleeping and
// waking, while the executor changes.

#include <doctest/doctest.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <thread>

#include "vmmc/internal/real_time/testing/fake_channel.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

constexpr std::uint32_t kLongest = 10'000;

struct Run {
  std::uint64_t datagrams;
  std::uint32_t
      pauses;  // one send in so many is after a pause in which the receiver falls asleep; 0: none
  bool switches;
  bool loses;
};

std::size_t length_of(std::uint64_t number) { return 8 + number * 7919 % (kLongest - 8); }

void send_all(FakeChannel& channel, const Run& run) {
  for (std::uint64_t n = 0; n < run.datagrams; ++n) {
    if (run.pauses != 0 && n % run.pauses == 0) ::usleep(300);
    void* memory = nullptr;
    while (channel.sender->acquire(length_of(n), &memory) != VMMC_OK) std::this_thread::yield();
    static_cast<unsigned char*>(memory)[length_of(n) - 1] = static_cast<unsigned char>(n);
    std::memcpy(memory, &n, sizeof n);
    while (channel.sender->send(memory, length_of(n), n * 3) != VMMC_OK) std::this_thread::yield();
  }
  const auto passed = [&] { return channel.demand().received + channel.demand().lost; };
  while (passed() < run.datagrams) std::this_thread::yield();
  channel.set_state(wire::ChannelState::kSenderEnded);
}

std::uint64_t receive_all(FakeChannel& channel, bool loses) {
  std::uint64_t received = 0;
  std::uint64_t next = 0;
  for (vmmc_rtz_datagram datagram{};; ++received) {
    const int status = channel.receiver->receive(&datagram, VMMC_FOREVER);
    if (status == VMMC_END) return received;
    REQUIRE(status == VMMC_OK);
    if (!loses) REQUIRE(datagram.number == next);
    REQUIRE(datagram.number >= next);
    next = datagram.number + 1;
    std::uint64_t number = 0;
    std::memcpy(&number, datagram.data, sizeof number);
    REQUIRE(number == datagram.number);
    REQUIRE(datagram.tag == 3 * number);
    REQUIRE(datagram.length == length_of(number));
    if (datagram.length > 8) {
      REQUIRE(static_cast<const unsigned char*>(datagram.data)[datagram.length - 1] ==
              static_cast<unsigned char>(number));
    }
    REQUIRE(channel.receiver->give_back(datagram) == VMMC_OK);
  }
}

void check(const Run& run) {
  FakeChannel channel({.depth = 8, .longest = kLongest, .period = 1}, !run.loses);
  std::atomic<bool> over{false};
  std::thread nicsim([&] {
    std::minstd_rand random(1);
    bool host = false;
    while (!over.load()) {
      if (run.switches && random() % 4 == 0) {
        host = !host;
        channel.set_executor(host ? wire::ExecutorDemand::kHost : wire::ExecutorDemand::kNic);
      }
      if (channel.carry_out(run.loses && random() % 3 == 0) == 0) std::this_thread::yield();
    }
  });
  std::thread sender([&] { send_all(channel, run); });
  const std::uint64_t received = receive_all(channel, run.loses);
  sender.join();
  over = true;
  nicsim.join();
  vmmc_rtz_counters counters{};
  channel.receiver->read_counters(counters);
  CHECK(counters.received == received);
  CHECK(counters.received + counters.lost == run.datagrams);
  CHECK((counters.lost == 0 || run.loses));
}

}  // namespace

TEST_CASE("by the host executor") {
  ::alarm(60);
  check({50'000, 0, false, false});
}

TEST_CASE("a receiver that sleeps is woken") {
  ::alarm(60);
  check({2'000, 3, false, false});
}

TEST_CASE("while the executor changes") {
  ::alarm(60);
  check({30'000, 0, true, false});
  check({1'000, 5, true, false});
}

TEST_CASE("by nicsim, which loses some") {
  ::alarm(60);
  check({20'000, 0, false, true});
}

TEST_CASE("a sleeper is woken by the end of the sender, and by nicsim's, and by its timeout") {
  ::alarm(60);
  vmmc_rtz_datagram datagram{};
  FakeChannel channel({});
  CHECK(channel.receiver->receive(&datagram, 20'000'000) == VMMC_ERR_TIMEOUT);
  std::thread dies([&] {
    ::usleep(20'000);
    channel.set_state(wire::ChannelState::kSenderEnded, VMMC_ERR_PEER_DEAD);
  });
  CHECK(channel.receiver->receive(&datagram, VMMC_FOREVER) == VMMC_ERR_PEER_DEAD);
  dies.join();
  FakeChannel other({});
  std::thread ends([&] {
    ::usleep(20'000);
    other.gone = true;
    other.nicsim.reset();  // hangs up; nobody rings
  });
  CHECK(other.receiver->receive(&datagram, VMMC_FOREVER) == VMMC_ERR_NICSIM_GONE);
  ends.join();
}
