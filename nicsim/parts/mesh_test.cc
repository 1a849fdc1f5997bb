// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "nicsim/parts/mesh.h"

#include <doctest/doctest.h>

#include <cstdint>

#include "nicsim/parts/backplane_recorder.h"

namespace vmmc::nicsim::parts {
namespace {

constexpr Time kHop = 40 * kPicosecondsPerNanosecond;
constexpr Time kByte = 5000;  // at 200 MB/s

struct Machine {
  Machine(std::uint32_t rows, std::uint32_t columns, double buffer_bytes = 64)
      : nodes(queue, rows * columns),
        mesh(queue, {.mesh = 1, .link_mb_per_s = 200, .hop_ns = 40, .buffer_bytes = buffer_bytes},
             rows, columns, nodes) {
    nodes.connect(mesh);
  }

  EventQueue queue;
  BackplaneRecorder nodes;
  Mesh mesh;
};

TEST_CASE("a parcel alone takes a hop for each router, and the time of its bytes once") {
  struct Way {
    std::uint32_t source;
    std::uint32_t destination;
    std::uint32_t distance;
  };
  for (const Way way : {Way{9, 9, 0}, Way{0, 1, 1}, Way{1, 0, 1}, Way{0, 8, 1}, Way{8, 0, 1},
                        Way{0, 63, 14}, Way{63, 0, 14}, Way{7, 56, 14}, Way{19, 37, 4}}) {
    for (const std::uint32_t bytes : {1u, 64u, 65u, 200u, 4096u}) {
      Machine machine(8, 8);
      machine.nodes.send({way.source, way.destination, bytes, 1});
      machine.queue.run();
      CHECK(machine.nodes.arrival_of(1) == (way.distance + 1) * kHop + bytes * kByte);
      CHECK(machine.nodes.injections == std::vector<Time>{bytes * kByte});
      CHECK(machine.mesh.counters().hops == way.distance);
      CHECK(machine.mesh.counters().parcels == 1);
      CHECK(machine.mesh.counters().blocked_ps == 0);
    }
  }
}

TEST_CASE("the way is along the row first, then along the column") {
  // 0 1 2    0 -> 5 holds the channels 0-1, 1-2, 2-5.
  // 3 4 5
  Machine machine(2, 3);
  machine.nodes.set_room(5, 0);
  machine.nodes.send({0, 5, 4096, 1});
  machine.queue.run_until(10 * kHop);
  machine.nodes.send({1, 2, 8, 2});
  machine.nodes.send({3, 4, 8, 3});
  machine.nodes.send({4, 5, 0, 4});  // asks for no room, but comes after the first at the ejection
  machine.queue.run();
  CHECK(machine.nodes.arrivals ==
        std::vector<BackplaneRecorder::Arrival>{{3, 12 * kHop + 8 * kByte}});
}

TEST_CASE("two parcels take turns on a channel that they share") {
  // 0 -> 2 and 1 -> 5 share the channel 1-2; the second comes to it first.
  Machine machine(2, 3);
  const std::uint32_t bytes = 1000;
  machine.nodes.send({0, 2, bytes, 1});
  machine.nodes.send({1, 5, bytes, 2});
  machine.queue.run();
  CHECK(machine.nodes.arrival_of(2) == 3 * kHop + bytes * kByte);
  CHECK(machine.nodes.arrival_of(1) == 2 * kHop + 2 * bytes * kByte);
  CHECK(machine.mesh.counters().blocked_ps == bytes * kByte - kHop);
}

TEST_CASE("parcels of one node follow each other without a gap") {
  Machine machine(1, 4);
  for (std::uint64_t i = 0; i < 50; ++i) machine.nodes.send({0, 3, 64, i});
  machine.queue.run();
  REQUIRE(machine.nodes.arrivals.size() == 50);
  for (std::uint64_t i = 0; i < 50; ++i)
    CHECK(machine.nodes.arrivals[i] ==
          BackplaneRecorder::Arrival{i, 4 * kHop + (i + 1) * 64 * kByte});
}

// 0 1 2 3    0 -> 3 finds no room at first; 1 -> 2 and 0 -> 1 need channels of its way.
// 4 5 6 7
struct BlockedRow : Machine {
  explicit BlockedRow(double buffer_bytes) : Machine(2, 4, buffer_bytes) {
    nodes.set_room(3, 0);
    nodes.send({0, 3, 4096, 1});
    queue.run_until(6 * kHop);
    nodes.send({1, 2, 100, 2});
    nodes.send({0, 1, 100, 3});
    nodes.send({4, 7, 100, 4});
    nodes.send({5, 1, 100, 5});
  }
  static constexpr Time kSent = 6 * kHop;
};

TEST_CASE("a blocked parcel holds the channels that its body spans, and no others") {
  BlockedRow machine(64);
  machine.queue.run_until(10000 * kHop);
  CHECK(machine.nodes.arrival_of(1) == kNever);
  CHECK(machine.nodes.arrival_of(2) == kNever);
  CHECK(machine.nodes.arrival_of(3) == kNever);
  CHECK(machine.nodes.arrival_of(4) == BlockedRow::kSent + 4 * kHop + 100 * kByte);
  CHECK(machine.nodes.arrival_of(5) == BlockedRow::kSent + 2 * kHop + 100 * kByte);

  const Time freed = machine.queue.now();
  machine.nodes.set_room(3, 4096);
  machine.queue.run();
  CHECK(machine.nodes.arrival_of(1) == freed + 4096 * kByte);
  // They enter the channels earlier, but leave the buffers behind the blocked one: of that behind the
  // channel 1-2 when all but one buffer's content is in the node, of that behind 0-1 one earlier.
  CHECK(machine.nodes.arrival_of(2) == freed + (4096 - 64 + 100) * kByte);
  CHECK(machine.nodes.arrival_of(3) == freed + (4096 - 128 + 100) * kByte);
  CHECK(machine.nodes.injections.size() == 5);
}

TEST_CASE("a buffer that takes the whole parcel gives all channels before it back") {
  BlockedRow machine(4096);
  machine.queue.run();
  CHECK(machine.nodes.arrival_of(1) == kNever);
  CHECK(machine.nodes.arrival_of(2) == 3 * kHop + (4096 + 100) * kByte);
  CHECK(machine.nodes.arrival_of(3) == 2 * kHop + (4096 + 100) * kByte);
}

TEST_CASE("a parcel that fills two buffers gives the channels before both of them back") {
  BlockedRow machine(2048);
  machine.queue.run();
  CHECK(machine.nodes.arrival_of(1) == kNever);
  CHECK(machine.nodes.arrival_of(2) == kNever);
  CHECK(machine.nodes.arrival_of(3) == 2 * kHop + (4096 + 100) * kByte);
}

TEST_CASE("without buffers a parcel holds its whole way") {
  BlockedRow machine(0);
  machine.queue.run_until(10000 * kHop);
  const Time freed = machine.queue.now();
  machine.nodes.set_room(3, 4096);
  machine.queue.run();
  CHECK(machine.nodes.arrival_of(2) == freed + (4096 + 100) * kByte + kHop);
}

// 0 1 2: on the way from 0 to 2 there are three buffers.
std::size_t injected_while_blocked(std::uint32_t bytes, double buffer_bytes) {
  Machine machine(1, 3, buffer_bytes);
  machine.nodes.set_room(2, 0);
  for (std::uint64_t i = 0; i < 100; ++i) machine.nodes.send({0, 2, bytes, i});
  machine.queue.run();
  CHECK(machine.nodes.arrivals.empty());
  const std::size_t injected = machine.nodes.injections.size();

  machine.nodes.set_room(2, UINT64_MAX);
  machine.queue.run();
  REQUIRE(machine.nodes.arrivals.size() == 100);
  for (std::uint64_t i = 0; i < 100; ++i) CHECK(machine.nodes.arrivals[i].content == i);
  return injected;
}

TEST_CASE("no more enters than fits into the buffers") {
  CHECK(injected_while_blocked(20, 64) == 9);
  CHECK(injected_while_blocked(20, 128) == 18);
  CHECK(injected_while_blocked(20, 20) == 3);
  CHECK(injected_while_blocked(192, 64) == 1);
  CHECK(injected_while_blocked(193, 64) == 0);
  CHECK(injected_while_blocked(20, 0) == 0);
}

TEST_CASE("a parcel waits for the one before it in a buffer, wherever it is going itself") {
  for (const std::uint64_t blocked : {3, 4}) {  // three fill the last buffer
    Machine machine(1, 3);
    machine.nodes.set_room(2, 0);
    for (std::uint64_t i = 0; i < blocked; ++i) machine.nodes.send({0, 2, 20, 100 + i});
    machine.nodes.send({0, 1, 20, 1});
    machine.queue.run();
    CHECK((machine.nodes.arrival_of(1) != kNever) == (blocked == 3));
    const Time freed = machine.queue.now();
    machine.nodes.set_room(2, 20);
    machine.queue.run();
    if (blocked == 4) CHECK(machine.nodes.arrival_of(1) == freed + 40 * kByte);
  }
}

TEST_CASE("a node that refuses a parcel is asked again when room was freed") {
  Machine machine(1, 2);
  machine.nodes.set_room(1, 50);
  machine.nodes.send({0, 1, 60, 1});
  machine.nodes.send({0, 1, 10, 2});  // would have room, but comes second
  machine.queue.run_until(100 * kHop);
  machine.nodes.set_room(1, 59);
  machine.queue.run_until(200 * kHop);
  CHECK(machine.nodes.arrivals.empty());
  machine.nodes.set_room(1, 70);
  machine.queue.run();
  CHECK(machine.nodes.arrival_of(1) == 200 * kHop + 60 * kByte);
  CHECK(machine.nodes.arrival_of(2) == 200 * kHop + 70 * kByte);
}

TEST_CASE("a parcel to its own node does not disturb the links") {
  Machine machine(1, 2);
  machine.nodes.set_room(0, 0);
  machine.nodes.send({0, 0, 20, 1});
  machine.nodes.send({1, 1, 20, 2});
  machine.queue.run();
  CHECK(machine.nodes.arrival_of(1) == kNever);
  CHECK(machine.nodes.arrival_of(2) == kHop + 20 * kByte);
}

TEST_CASE("bytes take no time on links without a bandwidth") {
  EventQueue queue;
  BackplaneRecorder nodes(queue, 4);
  Mesh mesh(queue, {.mesh = 1, .link_mb_per_s = 0, .hop_ns = 0, .buffer_bytes = 0}, 2, 2, nodes);
  nodes.connect(mesh);
  for (std::uint64_t i = 0; i < 10; ++i) nodes.send({0, 3, 1000, i});
  queue.run();
  CHECK(nodes.arrivals.size() == 10);
  CHECK(queue.now() == 0);
}

TEST_CASE("memory is linear in the number of nodes") {
  CHECK(Machine(64, 64).mesh.bytes() == 64 * Machine(8, 8).mesh.bytes());
}

}  // namespace
}  // namespace vmmc::nicsim::parts
