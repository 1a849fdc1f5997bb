// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "nicsim/parts/crossbar.h"

#include <doctest/doctest.h>

#include <cstdint>

#include "nicsim/parts/backplane_recorder.h"

namespace vmmc::nicsim::parts {
namespace {

constexpr Time kHop = 40 * kPicosecondsPerNanosecond;
constexpr Time kByte = 5000;  // at 200 MB/s

struct Machine {
  Machine()
      : nodes(queue, 8),
        crossbar(queue, {.mesh = 0, .link_mb_per_s = 200, .hop_ns = 40, .buffer_bytes = 0}, 8,
                 nodes) {
    nodes.connect(crossbar);
  }

  EventQueue queue;
  BackplaneRecorder nodes;
  Crossbar crossbar;
};

TEST_CASE("a parcel alone takes a hop and the time of its bytes, wherever it goes") {
  for (const std::uint32_t destination : {0, 1, 7}) {
    for (const std::uint32_t bytes : {8u, 64u, 4096u}) {
      Machine machine;
      machine.nodes.send({0, destination, bytes, 1});
      machine.queue.run();
      CHECK(machine.nodes.arrival_of(1) == kHop + bytes * kByte);
      CHECK(machine.nodes.injections == std::vector<Time>{bytes * kByte});
      CHECK(machine.crossbar.counters().hops == 1);
      CHECK(machine.crossbar.counters().parcels == 1);
      CHECK(machine.crossbar.counters().blocked_ps == 0);
    }
  }
}

TEST_CASE("all nodes at the same time do not disturb each other") {
  Machine machine;
  for (std::uint32_t node = 0; node < 8; ++node)
    machine.nodes.send({node, (node + 3) % 8, 1000, node});
  machine.queue.run();
  REQUIRE(machine.nodes.arrivals.size() == 8);
  for (const auto& arrival : machine.nodes.arrivals) CHECK(arrival.time == kHop + 1000 * kByte);
}

TEST_CASE("a destination takes one parcel at a time, in the order of their heads") {
  Machine machine;
  for (std::uint32_t node = 0; node < 4; ++node) machine.nodes.send({3 - node, 7, 1000, node});
  machine.queue.run();
  for (std::uint32_t i = 0; i < 4; ++i)
    CHECK(machine.nodes.arrival_of(i) == kHop + (i + 1) * 1000 * kByte);
  CHECK(machine.nodes.injections.back() == 4 * 1000 * kByte);
  CHECK(machine.crossbar.counters().blocked_ps == (1 + 2 + 3) * 1000 * kByte);
}

TEST_CASE("parcels of one node follow each other without a gap, in order") {
  Machine machine;
  for (std::uint64_t i = 0; i < 50; ++i) machine.nodes.send({0, 3, 64, i});
  machine.queue.run();
  REQUIRE(machine.nodes.arrivals.size() == 50);
  for (std::uint64_t i = 0; i < 50; ++i)
    CHECK(machine.nodes.arrivals[i] == BackplaneRecorder::Arrival{i, kHop + (i + 1) * 64 * kByte});
}

TEST_CASE("a parcel that is refused waits at its source for room, and those behind it") {
  Machine machine;
  machine.nodes.set_room(7, 50);
  machine.nodes.send({0, 7, 60, 1});
  machine.nodes.send({0, 6, 10, 2});
  machine.nodes.send({1, 7, 10, 3});
  machine.nodes.send({2, 6, 10, 4});
  machine.queue.run_until(100 * kHop);
  CHECK(machine.nodes.arrivals == std::vector<BackplaneRecorder::Arrival>{{4, kHop + 10 * kByte}});
  machine.nodes.set_room(7, 70);
  machine.queue.run();
  CHECK(machine.nodes.arrival_of(1) == 100 * kHop + 60 * kByte);
  CHECK(machine.nodes.arrival_of(2) == 100 * kHop + 70 * kByte);
  CHECK(machine.nodes.arrival_of(3) == 100 * kHop + 70 * kByte);
}

}  // namespace
}  // namespace vmmc::nicsim::parts
