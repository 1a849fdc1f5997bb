// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/backplane_port.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "nicsim/frames/testing/numbered_frames.h"
#include "nicsim/frames/testing/ring_consumer.h"
#include "nicsim/testing/engine_fixture.h"
#include "nicsim/wire/trace_record.h"

using namespace vmmc;
using nicsim::BackplanePort;
using nicsim::FrameRing;
using nicsim::PacketHeader;
using nicsim::testing::NumberedFrames;
using nicsim::testing::RingConsumer;

namespace {

struct Seen {
  PacketHeader header;
  std::string payload;
  std::uint16_t interface;
  std::uint32_t length;
};

struct Tapped {
  explicit Tapped(BackplanePort& backplane, std::uint32_t node, std::uint32_t snap = 4168)
      : port(backplane),
        ring(std::move(std::get<std::unique_ptr<FrameRing>>(
            FrameRing::make({.source = wire::FrameSourceKind::kBackplane,
                             .blocks = 8,
                             .block_bytes = 4 * wire::kPageSize,
                             .snap_length = snap})))),
        joined(std::move(std::get<FrameRing::Joined>(ring->join()))),
        consumer(ring->port(joined.consumer).shared(), ring->memory().data()) {
    port.add(*ring, node);
  }
  ~Tapped() { port.remove(*ring); }

  std::vector<Seen> take() {
    port.publish();
    std::vector<Seen> all;
    while (const auto* frame = consumer.next()) {
      const auto bytes = RingConsumer::bytes(*frame);
      CHECK(frame->link_type == wire::kBackplaneLinkType);
      CHECK(frame->time > std::uint64_t{1'500'000'000} * 1'000'000'000);
      const auto payload = bytes.subspan(sizeof(PacketHeader));
      all.push_back({NumberedFrames::header_of(bytes),
                     std::string(reinterpret_cast<const char*>(payload.data()), payload.size()),
                     frame->interface, frame->length});
    }
    return all;
  }

  BackplanePort& port;
  std::unique_ptr<FrameRing> ring;
  FrameRing::Joined joined;
  RingConsumer consumer;
};

struct PortFixture : nicsim::testing::EngineFixture {
  BackplanePort port{machine};
};

}  // namespace

TEST_CASE_FIXTURE(PortFixture, "an update becomes a frame: header and payload") {
  const auto import = connect(0, 8192, 7);
  Tapped all(port, wire::kAnyNode);
  CHECK(send(import, 64, "hello, backplane") == wire::Status::kOk);
  const auto seen = all.take();
  REQUIRE(seen.size() == 1);
  const PacketHeader& header = seen[0].header;
  CHECK(header.version == 1);
  CHECK(header.event == static_cast<std::uint8_t>(wire::TraceEvent::kMemoryWritten));
  CHECK(header.kind == static_cast<std::uint8_t>(wire::Operation::kDeliberateUpdate));
  CHECK((header.flags & wire::kTraceLastPacket) != 0);
  CHECK(header.status == 0);
  CHECK(header.from_node == 1);
  CHECK(header.to_node == 0);
  CHECK(header.from_process == sender.process->id);
  CHECK(header.to_process == receiver.process->id);
  CHECK(header.buffer == 7);
  CHECK(header.packet == 0);
  CHECK(header.operation == 1);
  CHECK(header.offset == 64);
  CHECK(header.length == 16);
  CHECK(seen[0].payload == "hello, backplane");
  CHECK(seen[0].interface == 0);
  CHECK(seen[0].length == 72 + 16);
}

TEST_CASE_FIXTURE(PortFixture, "every packet of a long update, in order, whole") {
  constexpr std::size_t kBytes = 3 * 4096;
  const auto import = connect(0, kBytes + 4096);
  Tapped all(port, wire::kAnyNode);
  for (std::size_t i = 0; i < kBytes; ++i) sender.memory()[i] = static_cast<std::byte>(i * 3);
  CHECK(outcome(sender.post(import, 100, wire::LocalPlace::kSegment, sender.local(kBytes, 0))) ==
        wire::Status::kOk);
  std::string bytes;
  std::uint32_t packet = 0;
  for (const Seen& seen : all.take()) {
    CHECK(seen.header.packet == packet++);
    CHECK(seen.header.offset == 100 + bytes.size());
    CHECK(seen.header.length == seen.payload.size());
    bytes += seen.payload;
  }
  CHECK(packet == 4);
  CHECK(bytes == std::string(reinterpret_cast<const char*>(sender.memory()), kBytes));
}

TEST_CASE_FIXTURE(
    PortFixture,
    "fetches come from where they are read, atomic operations as they leave the word") {
  const auto import = connect(0, 4096);
  std::memcpy(receiver.memory(), "fetched!", 8);
  Tapped all(port, wire::kAnyNode);
  CHECK(outcome(sender.post_operation(import, 0, wire::Operation::kFetch,
                                      wire::LocalPlace::kSegment, sender.local(8, 256))) ==
        wire::Status::kOk);
  auto seen = all.take();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].payload == "fetched!");
  CHECK(seen[0].header.from_node == 0);
  CHECK(seen[0].header.to_node == 1);
  CHECK(seen[0].interface == 1);
  std::memset(receiver.memory(), 0, 8);
  wire::AtomicOperands add{};
  add.kind = wire::AtomicKind::kFetchAdd;
  add.width = 8;
  add.operand = 5;
  CHECK(outcome(sender.post_atomic(import, 0, add)) == wire::Status::kOk);
  seen = all.take();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].payload == std::string("\5\0\0\0\0\0\0\0", 8));
}

TEST_CASE_FIXTURE(PortFixture, "a node's port sees what leaves or reaches it") {
  const auto import = connect(0, 4096);
  Tapped at_receiver(port, 0);
  Tapped at_sender(port, 1);
  Tapped elsewhere(port, 2);
  CHECK(send(import, 0, "x") == wire::Status::kOk);
  CHECK(at_receiver.take().size() == 1);
  CHECK(at_sender.take().size() == 1);
  CHECK(elsewhere.take().empty());
}

TEST_CASE_FIXTURE(PortFixture, "what is refused or lost on its way was never written") {
  const auto import = connect(0, 4096);
  Tapped all(port, wire::kAnyNode);
  CHECK(send(import, 4090, "too long") != wire::Status::kOk);
  CHECK(all.take().empty());
}

TEST_CASE_FIXTURE(PortFixture, "every transfer passes through nicsim while there is a ring") {
  CHECK(machine.watchers() == 0);
  CHECK_FALSE(machine.instruments().by_packet());
  {
    const Tapped one(port, wire::kAnyNode);
    const Tapped other(port, 0);
    CHECK(machine.watchers() == 1);
    CHECK(machine.instruments().by_packet());
  }
  CHECK(machine.watchers() == 0);
  CHECK_FALSE(machine.instruments().by_packet());
}

TEST_CASE_FIXTURE(PortFixture, "long packets are cut like any frame") {
  const auto import = connect(0, 4096);
  Tapped all(port, wire::kAnyNode, 80);
  CHECK(send(import, 0, "hello, backplane") == wire::Status::kOk);
  const auto seen = all.take();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].payload == "hello, b");
  CHECK(seen[0].length == 88);
}
