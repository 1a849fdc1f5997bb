// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/outgoing_fifo.h"

#include <doctest/doctest.h>

#include <string>

using namespace vmmc::nicsim::parts;

namespace {

struct Fixture : OutgoingFifo::Port {
  EventQueue queue;
  PacketPool pool;
  std::string log;
  OutgoingFifo fifo{queue,
                    {.capacity_bytes = 100,
                     .threshold_bytes = 60,
                     .resume_bytes = 20,
                     .interrupt_ns = 0,
                     .latency_ns = 50},
                    *this};
  void fifo_ready() override { log += 'p'; }
  void fifo_threshold() override { log += 't'; }
  void fifo_resumed() override { log += 'r'; }
  void fifo_room() override { log += '.'; }

  NetworkPacket& enter(std::uint32_t bytes) {
    REQUIRE(fifo.reserve(bytes));
    NetworkPacket& packet = pool.take();
    packet.payload = bytes;
    fifo.enter(packet);
    return packet;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "outgoing FIFO: a packet may leave after its latency, in its turn") {
  NetworkPacket& first = enter(30);
  queue.run_until(from_ns(20));
  NetworkPacket& second = enter(20);
  CHECK(fifo.first() == nullptr);
  queue.run_until(from_ns(50));
  CHECK(fifo.first() == &first);
  CHECK(&fifo.take() == &first);
  CHECK(fifo.first() == nullptr);
  queue.run();
  CHECK(queue.now() == from_ns(70));
  CHECK(fifo.first() == &second);
  CHECK(log == "pp");
  CHECK(fifo.counters().packets == 2);
  CHECK(fifo.counters().bytes == 50);
}

TEST_CASE_FIXTURE(Fixture, "outgoing FIFO: what is reserved has room, and no more is") {
  CHECK(fifo.reserve(40));
  CHECK(fifo.reserve(60));
  CHECK_FALSE(fifo.reserve(1));
  CHECK(fifo.counters().most_bytes == 100);  // though none is here yet
  NetworkPacket& packet = pool.take();
  packet.payload = 40;
  fifo.enter(packet);
  CHECK(fifo.filled() == 40);
  CHECK_FALSE(fifo.reserve(1));
  queue.run();
  fifo.take();
  CHECK_FALSE(fifo.reserve(1));  // its bytes stay until it is in the backplane
  fifo.left(40);
  CHECK(fifo.reserve(40));
  CHECK_FALSE(fifo.reserve(1));
  CHECK(fifo.counters().full == 4);
}

TEST_CASE_FIXTURE(Fixture, "outgoing FIFO: one interrupt at the threshold, until little is left") {
  enter(59);
  CHECK_FALSE(fifo.stopped());
  enter(1);
  CHECK(fifo.stopped());
  enter(20);
  CHECK(log == "t");
  queue.run();
  log.clear();
  fifo.left(59);
  CHECK(fifo.stopped());
  CHECK(log == ".");
  fifo.left(1);
  CHECK_FALSE(fifo.stopped());
  CHECK(log == ".r.");
  CHECK(fifo.counters().interrupts == 1);
  CHECK(fifo.counters().most_bytes == 80);
  enter(40);
  CHECK(fifo.counters().interrupts == 2);
}
