// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/ring_port.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <vector>

using namespace vmmc;
using nicsim::RingPort;

namespace {

constexpr std::uint32_t kBlocks = 4;

struct Fixture {
  RingPort::Made made = std::move(std::get<RingPort::Made>(
      RingPort::make({kBlocks, 4096, 100, true, wire::FrameSourceKind::kInterface})));
  RingPort& port = made.port;
  wire::RingPort& shared = port.shared();

  std::vector<std::uint32_t> collect() {
    std::vector<std::uint32_t> blocks;
    port.collect([&](std::uint32_t block) { blocks.push_back(block); });
    return blocks;
  }
  void give_back(std::uint32_t block) {
    const std::uint64_t n = shared.demand.returned;
    shared.returned[n % wire::kMaxRingBlocks] = block;
    shared.demand.returned = n + 1;
  }
  int wakeups() {
    int count = 0;
    char byte;
    while (::read(made.descriptors.pipe.get(), &byte, 1) == 1) ++count;
    return count;
  }
};

using Blocks = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE_FIXTURE(Fixture, "an offer is visible after publish") {
  port.offer(2);
  CHECK(shared.offer.offered == 0);
  port.publish();
  CHECK(shared.offer.offered == 1);
  CHECK(shared.offered[0] == 2);
  CHECK(port.held() == 1);
  CHECK(port.holds(2));
}

TEST_CASE_FIXTURE(Fixture, "blocks come back in any order, once") {
  for (std::uint32_t block = 0; block < kBlocks; ++block) port.offer(block);
  give_back(3);
  give_back(0);
  CHECK(collect() == Blocks{3, 0});
  CHECK(collect().empty());
  CHECK(port.held() == 2);
}

TEST_CASE_FIXTURE(Fixture, "only what is held can be given back") {
  port.offer(1);
  port.offer(2);
  give_back(1);
  give_back(1);
  CHECK(collect() == Blocks{1});
  give_back(4000);
  CHECK(collect().empty());
  CHECK(port.held() == 1);
  give_back(2);
  CHECK(collect() == Blocks{2});
}

TEST_CASE_FIXTURE(Fixture, "more than is held, or less than before, is not listened to") {
  port.offer(1);
  for (const std::uint64_t lie : {std::uint64_t{2}, std::uint64_t{1} << 40, UINT64_MAX}) {
    shared.demand.returned = lie;
    shared.returned[0] = 1;
    CHECK(collect().empty());
    CHECK_FALSE(port.ask_for_room());
    CHECK(port.held() == 1);
  }
  shared.demand.returned = 1;
  CHECK(collect() == Blocks{1});
}

TEST_CASE_FIXTURE(Fixture, "only who sleeps is woken, once") {
  port.wake();
  CHECK(wakeups() == 0);
  shared.demand.consumer_sleeps = 1;
  port.wake();
  port.wake();
  CHECK(wakeups() == 1);
  CHECK(shared.demand.consumer_sleeps == 0);
  CHECK(shared.counters.wakeups == 1);
}

TEST_CASE_FIXTURE(Fixture, "neither a full pipe nor one that nobody reads holds nicsim up") {
  ::signal(SIGPIPE, SIG_IGN);  // as nicsim does
  ::alarm(50);
  for (int i = 0; i < 100'000; ++i) {
    shared.demand.consumer_sleeps = 1;
    port.wake();
  }
  made.descriptors.pipe.reset();
  shared.demand.consumer_sleeps = 1;
  port.wake();
  ::alarm(0);
  CHECK(shared.counters.wakeups == 100'001);
}

TEST_CASE_FIXTURE(Fixture, "who gives back while he is asked need not ring") {
  port.offer(0);
  CHECK_FALSE(port.ask_for_room());
  CHECK(shared.demand.nic_sleeps == 1);
  give_back(0);
  CHECK(port.ask_for_room());
  CHECK(shared.demand.nic_sleeps == 0);
}

TEST_CASE_FIXTURE(Fixture, "the counters are nicsim's, whatever is written over them") {
  port.count({.delivered = 2, .delivered_bytes = 100, .dropped = 1, .dropped_bytes = 7});
  port.publish();
  shared.counters.delivered = 77;
  port.count({.delivered = 1, .delivered_bytes = 50});
  port.publish();
  CHECK(shared.counters.delivered == 3);
  CHECK(shared.counters.delivered_bytes == 150);
  CHECK(shared.counters.dropped == 1);
  CHECK(shared.counters.dropped_bytes == 7);
}

TEST_CASE_FIXTURE(Fixture, "nobody changes the size or the seals of a port") {
  const int memory = made.descriptors.memory.get();
  CHECK(::ftruncate(memory, 0) != 0);
  CHECK(::fcntl(memory, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) != 0);
}
