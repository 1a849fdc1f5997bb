// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/format_and_send.h"

#include <doctest/doctest.h>

#include "nicsim/parts/testing/recording_port.h"

using namespace vmmc::nicsim::parts;

namespace {

struct Fixture {
  EventQueue queue;
  testing::RecordingPort backplane{queue};
  FormatAndSend send{queue, {.latency_ns = 61, .header_bytes = 16}, backplane};
  PacketPool pool;

  NetworkPacket& packet(std::uint32_t payload) {
    NetworkPacket& made = pool.take();
    made.payload = payload;
    made.source = 3;
    made.destination = 5;
    return made;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "format and send: a packet gets its header and goes to the backplane") {
  NetworkPacket& one = packet(100);
  CHECK(send.free());
  send.take(one);
  CHECK_FALSE(send.free());
  queue.run();
  REQUIRE(backplane.injected.size() == 1);
  CHECK(backplane.injected[0].time == from_ns(61));
  const Parcel& parcel = backplane.injected[0].parcel;
  CHECK(parcel.source == 3);
  CHECK(parcel.destination == 5);
  CHECK(parcel.bytes == 116);
  CHECK(parcel.content == reinterpret_cast<std::uintptr_t>(&one));
}

TEST_CASE_FIXTURE(Fixture, "format and send: it is free again when all of the packet has left") {
  send.take(packet(8));
  queue.run_until(from_ns(5000));
  CHECK_FALSE(send.free());
  send.injected();
  CHECK(send.free());
  send.take(packet(4096));
  queue.run();
  CHECK(backplane.injected[1].time == from_ns(5061));
  CHECK(send.counters().packets == 2);
  CHECK(send.counters().bytes == 8 + 4096 + 2 * 16);
}
