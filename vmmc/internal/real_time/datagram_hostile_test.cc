// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the other side writes is random: nobody reads outside of the channel's memory, and no page is in
// two hands.

#include <doctest/doctest.h>
#include <unistd.h>

#include <map>
#include <random>
#include <set>
#include <thread>

#include "vmmc/internal/real_time/testing/fake_channel.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

std::uint64_t new_seed() {
  const std::uint64_t seed = std::random_device{}();
  MESSAGE("seed " << seed);
  return seed;
}

// Mostly values that are nearly right.
std::uint32_t odd_number(std::mt19937_64& random, std::uint32_t right) {
  switch (random() % 4) {
    case 0:
      return static_cast<std::uint32_t>(random());
    case 1:
      return right + 1;
    case 2:
      return static_cast<std::uint32_t>(random() % (right + 2));
    default:
      return right == 0 ? 0 : static_cast<std::uint32_t>(random() % right);
  }
}

// `next`: the datagram that the receiver waits for, or near it.
void write_slot(FakeChannel& channel, std::mt19937_64& random, std::uint64_t next) {
  wire::DatagramSlot& slot = channel.arrival().slots[next % wire::kChannelSlots];
  const auto put = [](auto& field, auto value) {
    __atomic_store(&field, &value, __ATOMIC_RELAXED);
  };
  put(slot.sent, static_cast<std::uint64_t>(random()));
  put(slot.number, random() % 8 == 0 ? static_cast<std::uint64_t>(random()) : next);
  put(slot.place, static_cast<wire::DatagramPlace>(odd_number(random, 3)));
  put(slot.index, odd_number(random, channel.terms.depth));
  put(slot.length, odd_number(random, channel.terms.longest));
  slot.sequence = random() % 16 == 0 ? static_cast<std::uint64_t>(random()) : next + 1;
}

bool inside(const FakeChannel::Memory& memory, std::size_t bytes,
            const vmmc_rtz_datagram& datagram) {
  const auto first = reinterpret_cast<std::uintptr_t>(memory.get());
  const auto data = reinterpret_cast<std::uintptr_t>(datagram.data);
  return data >= first && data + datagram.length <= first + bytes;
}

void read_all_of(const vmmc_rtz_datagram& datagram) {
  const volatile auto* bytes = static_cast<const unsigned char*>(datagram.data);
  for (std::size_t i = 0; i < datagram.length; i += 512) (void)bytes[i];
  if (datagram.length != 0) (void)bytes[datagram.length - 1];
}

void receive_from_stranger(std::uint32_t longest, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  FakeChannel channel({.depth = 5, .longest = longest});
  std::map<std::uint32_t, vmmc_rtz_datagram> held;
  std::uint64_t returned = 0;
  for (int step = 0; step < 200'000; ++step) {
    const wire::ChannelDemand& demand = channel.demand();
    write_slot(channel, random, demand.received + demand.lost + demand.malformed + random() % 2);
    if (random() % 64 == 0) {
      channel.verdict().returned = random();
      channel.source().refused = random();
    }
    vmmc_rtz_datagram datagram{};
    if (channel.receiver->receive(&datagram, 0) == VMMC_OK) {
      REQUIRE(datagram.length <= longest);
      REQUIRE((inside(channel.source_memory, channel.terms.source_bytes(), datagram) ||
               inside(channel.arrival_memory, channel.terms.arrival_bytes(), datagram)));
      read_all_of(datagram);
      REQUIRE_FALSE(held.contains(datagram.held));
      held[datagram.held] = datagram;
    }
    if (!held.empty() && random() % 3 == 0) {
      const auto first = held.begin();
      REQUIRE(channel.receiver->give_back(first->second) == VMMC_OK);
      REQUIRE(channel.receiver->give_back(first->second) == VMMC_ERR_NOT_HELD);
      held.erase(first);
      ++returned;
    }
    vmmc_rtz_datagram invented{};
    invented.held = static_cast<std::uint32_t>(random());
    invented.number = random();
    REQUIRE(channel.receiver->give_back(invented) == VMMC_ERR_NOT_HELD);
  }
  CHECK(channel.demand().returned == returned);
  CHECK(returned > 0);
}

}  // namespace

TEST_CASE("a receiver believes nothing of its sender") {
  const std::uint64_t seed = new_seed();
  receive_from_stranger(4096, seed);
  receive_from_stranger(9000, seed + 1);
}

TEST_CASE("a sender believes nothing of its receiver") {
  std::mt19937_64 random(new_seed());
  FakeChannel channel({.depth = 6, .longest = 9000, .period = 1});
  std::set<void*> held;
  for (int step = 0; step < 200'000; ++step) {
    wire::ChannelDemand& demand = channel.demand();
    for (wire::ChannelDemand* of = &demand; random() % 2 == 0;) {
      of->returns[random() % wire::kChannelSlots] =
          random() % 4 == 0 ? static_cast<std::uint32_t>(random())
                            : wire::make_returned(static_cast<wire::DatagramPlace>(random() % 4),
                                                  odd_number(random, channel.terms.depth));
    }
    demand.returned = random() % 16 == 0 ? random() : demand.returned + random() % 3;
    demand.received = random() % 16 == 0 ? random() : demand.received + random() % 3;
    void* memory = nullptr;
    const std::size_t length = random() % 2 == 0 ? 100 : 9000;
    if (channel.sender->acquire(length, &memory) == VMMC_OK) {
      REQUIRE(held.insert(memory).second);
      REQUIRE(held.size() <= channel.terms.depth);
      static_cast<unsigned char*>(memory)[length - 1] = 1;
    }
    if (!held.empty() && random() % 2 == 0) {
      memory = *held.begin();
      const int status = random() % 2 == 0 ? channel.sender->send(memory, random() % 9000, 0)
                                           : channel.sender->release(memory);
      if (status == VMMC_OK) held.erase(memory);
      if (status != VMMC_OK) REQUIRE(status != VMMC_ERR_NOT_HELD);
    }
    channel.carried = channel.verdict().carried_out;
    if (random() % 100 == 0) {
      channel.set_executor(random() % 2 == 0 ? wire::ExecutorDemand::kNic
                                             : wire::ExecutorDemand::kHost);
    }
    channel.carry_out(random() % 4 == 0);
  }
}

TEST_CASE("a slot that changes while it is read is as one that does not") {
  ::alarm(60);
  const std::uint64_t seed = new_seed();
  FakeChannel channel({.depth = 5, .longest = 9000});
  std::atomic<bool> over{false};
  std::thread stranger([&] {
    std::mt19937_64 random(seed);
    while (!over.load()) {
      const wire::ChannelDemand& demand = channel.demand();
      write_slot(channel, random, demand.received + demand.lost + demand.malformed);
    }
  });
  std::set<std::uint32_t> held;
  for (int step = 0; step < 300'000; ++step) {
    vmmc_rtz_datagram datagram{};
    if (channel.receiver->receive(&datagram, 0) != VMMC_OK) continue;
    REQUIRE((inside(channel.source_memory, channel.terms.source_bytes(), datagram) ||
             inside(channel.arrival_memory, channel.terms.arrival_bytes(), datagram)));
    REQUIRE(held.insert(datagram.held).second);
    if (step % 2 == 0) {
      REQUIRE(channel.receiver->give_back(datagram) == VMMC_OK);
      held.erase(datagram.held);
    }
  }
  over = true;
  stranger.join();
}
