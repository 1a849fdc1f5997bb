// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/frame_rings.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "nicsim/frames/testing/rings_machine.h"

using namespace vmmc;
using nicsim::FrameRings;
using nicsim::RingAnswer;
using nicsim::testing::FakeClient;
using nicsim::testing::open_request;
using nicsim::testing::RingClient;
using nicsim::testing::RingsFixture;
using nicsim::testing::some_descriptor;
using wire::FrameSourceKind;
using wire::Status;

namespace {

constexpr auto kFile = FrameSourceKind::kCaptureFile;

}  // namespace

TEST_CASE_FIXTURE(RingsFixture, "opens that make no sense are refused, each with its reason") {
  const auto with = [&](auto change) {
    auto request = open_request(1, kFile);
    change(request);
    return refused(request);
  };
  CHECK(with([](auto& r) { r.source = FrameSourceKind{0}; }) == Status::kMalformed);
  CHECK(with([](auto& r) { r.source = FrameSourceKind{4}; }) == Status::kMalformed);
  CHECK(with([](auto& r) { r.sharing = wire::RingSharing{2}; }) == Status::kMalformed);
  CHECK(with([](auto& r) { r.spread = wire::RingSpread{2}; }) == Status::kMalformed);
  CHECK(with([](auto& r) { r.pace = wire::RingPace{2}; }) == Status::kMalformed);
  CHECK(with([](auto& r) { r.blocks = 1; }) == Status::kBadRing);
  CHECK(with([](auto& r) { r.from_node = 4; }) == Status::kInvalidRights);
  CHECK(rings->open(*opener.process, open_request(1, kFile), {}).reply.header.status ==
        Status::kMalformed);
  auto backplane = open_request(1, FrameSourceKind::kBackplane);
  CHECK(rings->open(*opener.process, backplane, some_descriptor()).reply.header.status ==
        Status::kMalformed);
  backplane.node = 4;
  CHECK(refused(backplane) == Status::kNoSuchNode);
  backplane.node = 0;
  opener.process->uid = ::geteuid() + 1;
  CHECK(refused(backplane) == Status::kPermissionDenied);
  source_status = Status::kNotACapture;
  CHECK(refused(open_request(1, kFile)) == Status::kNotACapture);
  CHECK(rings->empty());
}

TEST_CASE_FIXTURE(RingsFixture, "none in simulated time") {
  nicsim::Machine simulated(1, {.import = nullptr, .unexport = nullptr});
  simulated.use_simulated_time();
  FrameRings none(context, simulated, nullptr);
  FakeClient client(simulated, 0);
  CHECK(none.open(*client.process, open_request(1, kFile), some_descriptor()).reply.header.status ==
        Status::kNotInSimulatedTime);
}

TEST_CASE_FIXTURE(RingsFixture, "ids are unique among the rings that a process has open") {
  const RingAnswer first = open(open_request(1, kFile));
  REQUIRE(first.reply.header.status == Status::kOk);
  CHECK(refused(open_request(1, kFile)) == Status::kDuplicateId);
  CHECK(refused(open_request(2, kFile)) == Status::kOk);
  CHECK(rings->open(*stranger.process, open_request(1, kFile), some_descriptor())
            .reply.header.status == Status::kOk);
  CHECK(rings->close(*stranger.process, first.reply.port) == Status::kUnknownRing);
  CHECK(rings->close(*opener.process, first.reply.port) == Status::kOk);
  CHECK(rings->close(*opener.process, first.reply.port) == Status::kUnknownRing);
  CHECK(refused(open_request(1, kFile)) == Status::kOk);
}

TEST_CASE_FIXTURE(RingsFixture, "who may join") {
  auto request = open_request(1, kFile);
  const auto joins = [&](auto change) {
    change(request);
    const RingAnswer answer = open(request);
    REQUIRE(answer.reply.header.status == Status::kOk);
    const Status status = join(stranger).reply.header.status;
    CHECK(join(opener).reply.header.status == Status::kOk);  // always
    rings->leave(*opener.process);
    rings->leave(*stranger.process);
    request = open_request(1, kFile);
    return status;
  };
  CHECK(joins([](auto&) {}) == Status::kOk);
  CHECK(joins([](auto& r) { r.user = ::getuid(); }) == Status::kOk);
  CHECK(joins([](auto& r) { r.user = ::getuid() + 1; }) == Status::kPermissionDenied);
  CHECK(joins([](auto& r) { r.from_node = 1; }) == Status::kOk);
  CHECK(joins([](auto& r) { r.from_node = 0; }) == Status::kPermissionDenied);
  CHECK(joins([&](auto& r) { r.from_process = stranger.process->id; }) == Status::kOk);
  CHECK(joins([&](auto& r) { r.from_process = opener.process->id; }) == Status::kPermissionDenied);
  CHECK(rings->empty());
  CHECK(join(stranger).reply.header.status == Status::kUnknownRing);
}

TEST_CASE_FIXTURE(RingsFixture, "a ring lives without its opener, but nobody joins any more") {
  const RingAnswer first = open(open_request(1, kFile));
  RingClient other(join(stranger));
  CHECK(rings->close(*opener.process, first.reply.port) == Status::kOk);
  CHECK(join(stranger).reply.header.status == Status::kUnknownRing);
  script.available = 5;
  CHECK(rings->serve());
  CHECK(read(other) == 5);
  CHECK(refused(open_request(1, kFile)) == Status::kOk);  // the id is free
  rings->leave(*opener.process);
  rings->leave(*stranger.process);
  CHECK(rings->empty());
  CHECK_FALSE(script.alive);
}

TEST_CASE_FIXTURE(RingsFixture, "there are limits, and what is given back counts no more") {
  limits = {.rings = 2, .ports = 4, .ports_of_process = 3, .ports_of_ring = 2, .bytes = 65536};
  rings = make();
  CHECK(refused(open_request(1, kFile)) == Status::kOk);
  CHECK(join(opener).reply.header.status == Status::kOk);
  CHECK(join(stranger).reply.header.status == Status::kTooManyRings);  // of one ring
  CHECK(refused(open_request(2, kFile)) == Status::kOk);
  CHECK(refused(open_request(3, kFile)) == Status::kTooManyRings);
  CHECK(join(opener, 2).reply.header.status == Status::kTooManyRings);  // of one process
  CHECK(join(stranger, 2).reply.header.status == Status::kOk);
  rings->leave(*opener.process);
  rings->leave(*stranger.process);
  auto large = open_request(1, kFile);
  large.blocks = 8;
  CHECK(refused(large) == Status::kOk);
  CHECK(refused(open_request(2, kFile)) == Status::kOutOfMemory);
  rings->leave(*opener.process);
  large.ring = 2;
  CHECK(refused(large) == Status::kOk);
}

TEST_CASE_FIXTURE(RingsFixture, "a process has limits of its own") {
  limits = {.rings_of_process = 2, .bytes_of_process = 65536 + FrameRings::kInterfaceBytes};
  rings = make();
  const auto open_as_stranger = [&](std::uint32_t id) {
    return rings->open(*stranger.process, open_request(id, kFile), some_descriptor())
        .reply.header.status;
  };
  CHECK(refused(open_request(1, kFile)) == Status::kOk);
  const RingAnswer second = open(open_request(2, kFile));
  CHECK(second.reply.header.status == Status::kOk);
  CHECK(refused(open_request(3, kFile)) == Status::kTooManyRings);
  CHECK(open_as_stranger(1) == Status::kOk);
  // What others keep still counts, until it ends.
  CHECK(join(stranger, 2).reply.header.status == Status::kOk);
  CHECK(rings->close(*opener.process, second.reply.port) == Status::kOk);
  CHECK(refused(open_request(3, kFile)) == Status::kTooManyRings);
  rings->leave(*opener.process);
  rings->leave(*stranger.process);
  CHECK(rings->empty());
  auto large = open_request(1, FrameSourceKind::kInterface);
  large.blocks = 9;
  CHECK(refused(large) == Status::kOutOfMemory);  // the kernel's part counts
  large.blocks = 8;
  CHECK(refused(large) == Status::kOk);
  CHECK(refused(open_request(2, kFile)) == Status::kOutOfMemory);
  CHECK(open_as_stranger(1) == Status::kOk);
}

TEST_CASE_FIXTURE(RingsFixture, "by flow at full speed every consumer has a block") {
  auto request = open_request(1, kFile);
  request.spread = wire::RingSpread::kFlows;
  request.blocks = 2;
  CHECK(refused(request) == Status::kOk);
  CHECK(join(stranger).reply.header.status == Status::kOk);
  CHECK(join(stranger).reply.header.status == Status::kTooManyRings);
  rings->leave(*opener.process);
  rings->leave(*stranger.process);
  script.waits = false;  // who loses frames waits for nobody
  CHECK(refused(request) == Status::kOk);
  for (int i = 0; i < 3; ++i) CHECK(join(stranger).reply.header.status == Status::kOk);
}

TEST_CASE_FIXTURE(RingsFixture, "the reply says what there is, and so does the port") {
  RingAnswer answer = open(open_request(1, kFile));
  CHECK(answer.reply.link_type == 1);
  CHECK(answer.reply.block_memory_bytes == 8 * wire::kPageSize);
  const RingClient client(std::move(answer));
  const wire::RingPortHeader& header = client.consumer->port().header;
  CHECK(header.magic == wire::kMagic);
  CHECK(header.blocks == 4);
  CHECK(header.block_bytes == 2 * wire::kPageSize);
  CHECK(header.snap_length == 4200);
  CHECK(header.mirrored == 0);
  CHECK(header.source == static_cast<std::uint32_t>(kFile));
}
