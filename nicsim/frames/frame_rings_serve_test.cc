// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How frames come into the rings, and when nicsim sleeps.

#include <doctest/doctest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>

#include "nicsim/frames/testing/rings_machine.h"
#include "nicsim/real_time/packets_first.h"
#include "tests/support/faults/failing_system_calls.h"
#include "tests/support/faults/open_descriptors.h"

using namespace vmmc;
using nicsim::FrameRings;
using nicsim::RingAnswer;
using nicsim::testing::open_request;
using nicsim::testing::RingClient;
using nicsim::testing::RingsFixture;
using wire::FrameSourceKind;
using wire::Status;
using Clock = FrameRings::Clock;

namespace {

// Stands where real-time packets do.
struct Probe final : nicsim::real_time::PacketsFirst {
  void serve_waiting() override { ++asked; }
  std::uint64_t asked = 0;
};

constexpr auto kFile = FrameSourceKind::kCaptureFile;

}  // namespace

TEST_CASE_FIXTURE(RingsFixture, "one serve is a bounded share, and all rings get theirs") {
  script.available = of_second.available = 1'000'000;
  script.waits = of_second.waits = false;
  const RingClient one(open(open_request(1, kFile)));
  const RingClient other(open(open_request(2, kFile)));
  CHECK(rings->serve());
  CHECK(script.taken > 100);
  CHECK(of_second.taken > 100);
  CHECK(script.taken + of_second.taken <= 2048);
  script.length = of_second.length = 4000;
  const std::uint64_t before = script.taken + of_second.taken;
  CHECK(rings->serve());
  CHECK(rings->serve());
  CHECK(script.taken + of_second.taken - before <= 512);
}

TEST_CASE_FIXTURE(RingsFixture, "a real-time packet waits for one batch of frames at most") {
  script.available = of_second.available = UINT64_MAX;
  script.waits = of_second.waits = false;
  const RingClient one(open(open_request(1, kFile)));
  const RingClient other(open(open_request(2, kFile)));
  Probe probe;
  rings->let_first(probe);
  const auto passed_by_all = [&] { return passed(one) + passed(other); };
  // Frames become visible once a share, so it is the shares that are counted: with so many frames waiting
  // every batch is as large as it may be.
  const auto check_batches_of = [&](std::size_t length, std::uint64_t most) {
    CAPTURE(length);
    script.length = of_second.length = length;
    for (int turn = 0; turn < 4; ++turn) rings->serve();  // what was taken before it
    const std::uint64_t before = passed_by_all();
    probe.asked = 0;
    for (int turn = 0; turn < 8; ++turn) rings->serve();
    const std::uint64_t frames = passed_by_all() - before;
    CHECK(frames > 0);
    CHECK(frames <= most * probe.asked);
    CHECK(2 * frames > most * probe.asked);
  };
  check_batches_of(64, 64);
  check_batches_of(256, 64);
  check_batches_of(1500, 10);
  check_batches_of(4096, 4);
  check_batches_of(16'385, 1);
  check_batches_of(65'535, 1);
}

TEST_CASE_FIXTURE(RingsFixture, "what a source goes over without giving a frame is charged, too") {
  const RingClient one(open(open_request(1, kFile)));
  const RingClient other(open(open_request(2, kFile)));
  script.consumed = of_second.consumed = 1'000'000;
  CHECK(rings->serve());
  CHECK(script.takes + of_second.takes == 1);
  CHECK(rings->serve());
  CHECK(script.takes == 1);
  CHECK(of_second.takes == 1);
  // Frames among it: they wait, and nicsim does not sleep over them.
  of_second.available = 10;
  for (int i = 0; i < 4; ++i) CHECK(rings->serve());
  CHECK(other.consumer->port().counters.delivered == 10);
}

TEST_CASE_FIXTURE(RingsFixture, "a source that has nothing is asked once for each share") {
  of_second.available = 1'000'000;
  of_second.waits = false;
  const RingClient one(open(open_request(1, kFile)));
  const RingClient other(open(open_request(2, kFile)));
  CHECK(rings->serve());
  CHECK(of_second.takes > 2);
  CHECK(script.takes == 1);
}

TEST_CASE_FIXTURE(RingsFixture, "a source that waits for room ends the sleep when there is some") {
  RingClient one(open(open_request(1, kFile)));
  script.available = 10'000;
  while (rings->serve()) {
  }
  CHECK(rings->prepare_sleep() == Clock::time_point::max());
  const std::uint64_t held = read(one);
  CHECK(held > 0);
  CHECK(one.consumer->must_ring());
  CHECK(rings->prepare_sleep() == Clock::time_point::min());
  CHECK(rings->serve());
  // To the end, and nothing is lost.
  script.ends = true;
  std::uint64_t all = held;
  while (!one.consumer->ended()) {
    rings->serve();
    all += read(one);
  }
  CHECK(all + read(one) == 10'000);
  CHECK(one.consumer->port().counters.delivered == 10'000);
  CHECK_FALSE(script.alive);
  CHECK_FALSE(rings->serve());
  CHECK(rings->prepare_sleep() == Clock::time_point::max());
}

TEST_CASE_FIXTURE(RingsFixture, "who sleeps is woken when the source has no more at hand") {
  auto request = open_request(1, kFile);
  request.blocks = 64;
  request.block_bytes = 16 * wire::kPageSize;
  RingClient one(open(request));
  wire::RingPort& port = one.consumer->port();
  while (rings->serve()) {
  }
  script.length = 4000;  // a share is far from the frames for which who sleeps is woken anyway
  const auto serve = [&](std::uint64_t more) {
    port.demand.consumer_sleeps = 1;
    script.available += more;
    CHECK(rings->serve());
    return port.counters.wakeups.load();
  };
  CHECK(serve(5) == 1);
  CHECK(serve(1000) == 1);
  CHECK(one.consumer->next() != nullptr);  // it is visible all the same
  rings->prepare_sleep();
  CHECK(port.counters.wakeups == 2);
  script.available = script.taken;
  port.demand.consumer_sleeps = 1;
  while (rings->serve()) {
  }
  CHECK(port.counters.wakeups == 3);
}

TEST_CASE_FIXTURE(RingsFixture, "who sleeps is woken when a frame waits for room") {
  RingClient one(open(open_request(1, kFile)));
  script.available = 1'000'000;
  script.length = 4000;
  one.consumer->port().demand.consumer_sleeps = 1;
  CHECK(rings->serve());
  CHECK(one.consumer->port().counters.delivered < 1000);
  CHECK(one.consumer->port().counters.wakeups == 1);
}

TEST_CASE_FIXTURE(RingsFixture, "the end of a source, and what it has lost, reach the consumer") {
  RingClient one(open(open_request(1, kFile)));
  script.available = 3;
  script.ends = true;
  script.status = Status::kFrameSourceGone;
  script.lost = 7;
  rings->serve();
  CHECK(read(one) == 3);
  CHECK(one.consumer->ended());
  CHECK(one.consumer->port().offer.status == static_cast<std::int32_t>(Status::kFrameSourceGone));
  CHECK(one.consumer->port().counters.source_dropped == 7);
}

TEST_CASE_FIXTURE(RingsFixture, "a sleep ends when the source's descriptor or time says so") {
  const platform::FileDescriptor event(::eventfd(0, EFD_NONBLOCK));
  script.descriptor = event.get();
  const auto file = open_request(1, kFile);
  RingClient watched(open(file));
  CHECK_FALSE(rings->serve());
  CHECK(rings->prepare_sleep() == Clock::time_point::max());
  CHECK(context.run_one_for(std::chrono::milliseconds(10)) == 0);
  for (int i = 0; i < 3; ++i) {
    CHECK(rings->prepare_sleep() == Clock::time_point::max());
    REQUIRE(::eventfd_write(event.get(), 1) == 0);
    context.restart();
    CHECK(context.run_one_for(std::chrono::seconds(20)) == 1);
    eventfd_t ignored;
    REQUIRE(::eventfd_read(event.get(), &ignored) == 0);
  }
  rings->prepare_sleep();  // the watch is armed when its ring goes
  rings->leave(*opener.process);
  CHECK(::fcntl(event.get(), F_GETFD) >= 0);  // it was not ours to close
  context.restart();
  context.poll();
  script.descriptor = -1;
  const auto soon = Clock::now() + std::chrono::hours(1);
  script.next_time = [&] { return soon; };
  RingClient timed(open(open_request(1, kFile)));
  CHECK(rings->prepare_sleep() == soon);
}

TEST_CASE_FIXTURE(RingsFixture, "a source that gives up its descriptor is asked at its time") {
  const platform::FileDescriptor event(::eventfd(0, EFD_NONBLOCK));
  script.descriptor = event.get();
  RingClient one(open(open_request(1, kFile)));
  CHECK_FALSE(rings->serve());
  CHECK(rings->prepare_sleep() == Clock::time_point::max());
  script.descriptor = -1;
  const auto soon = Clock::now() + std::chrono::hours(1);
  script.next_time = [&] { return soon; };
  CHECK(rings->prepare_sleep() == soon);
}

TEST_CASE_FIXTURE(RingsFixture, "a source that pauses is asked again at once, but not for ever") {
  RingClient one(open(open_request(1, kFile)));
  CHECK_FALSE(rings->serve());
  CHECK(rings->prepare_sleep() == Clock::time_point::min());
  const auto until = [&] {
    auto next = Clock::time_point::min();
    while ((next = rings->prepare_sleep()) == Clock::time_point::min()) {
      CHECK_FALSE(rings->serve());
    }
    return next;
  };
  CHECK(until() < Clock::time_point::max());
  script.available = 1;
  CHECK(rings->serve());
  CHECK(read(one) == 1);
  CHECK(rings->prepare_sleep() == Clock::time_point::min());  // a new pause
}

TEST_CASE_FIXTURE(RingsFixture, "a large ring is opened at once, and fills while it is prepared") {
  auto request = open_request(1, kFile);
  request.blocks = 64;
  request.block_bytes = 256 * 1024;
  RingClient one(open(request));
  script.available = 100'000;
  script.length = 1000;
  script.waits = false;
  CHECK(rings->serve());
  const std::uint64_t early = read(one);
  CHECK(early > 0);
  script.available = script.taken;
  while (rings->serve()) {
  }
  script.available += 12'000;  // 12 MB: more than what is there at once
  while (rings->serve()) {
  }
  CHECK(one.consumer->port().counters.dropped == 0);
  CHECK(early + read(one) == script.available);
}

TEST_CASE_FIXTURE(RingsFixture, "a ring whose memory runs out while it is prepared ends") {
  for (const auto source : {kFile, FrameSourceKind::kBackplane}) {
    auto request = open_request(1, source);
    request.blocks = 64;
    request.block_bytes = 256 * 1024;
    script.taken = 0;
    script.available = 10;
    RingClient one(open(request));
    {
      const tests::FailingSystemCalls faults(1, ENOSPC);
      CHECK(rings->serve());
    }
    CHECK(one.consumer->next() == nullptr);
    CHECK(one.consumer->ended());
    CHECK(one.consumer->port().offer.status == static_cast<std::int32_t>(Status::kOutOfMemory));
    CHECK_FALSE(script.alive);
    CHECK_FALSE(rings->serve());
    CHECK(machine.watchers() == 0);
    rings->leave(*opener.process);
  }
}

TEST_CASE_FIXTURE(RingsFixture, "frames flow when so many have joined") {
  auto request = open_request(1, kFile);
  request.consumers = wire::kMaxRingConsumers + 1;
  CHECK(refused(request) == Status::kBadRing);
  request.consumers = 3;
  script.available = 5;
  script.descriptor = -1;
  RingClient one(open(request));
  const auto nothing = [&] {
    CHECK_FALSE(rings->serve());
    CHECK(rings->prepare_sleep() == Clock::time_point::max());
    CHECK(script.takes == 0);
  };
  nothing();
  RingClient other(join(stranger));
  nothing();
  rings->leave(*stranger.process);  // who has left does not count
  RingClient second(join(stranger));
  nothing();
  RingClient third(join(stranger));
  CHECK(rings->serve());
  CHECK(read(one) + read(second) + read(third) == 5);
  rings->leave(*stranger.process);  // and it goes on with fewer
  script.available = 7;
  CHECK(rings->serve());
  CHECK(read(one) == 5 + 2);  // the block of those five comes again
}

TEST_CASE_FIXTURE(RingsFixture, "when nobody can join any more nobody is waited for") {
  auto request = open_request(1, kFile);
  request.consumers = 3;
  script.available = 5;
  RingClient one(open(request));
  RingClient other(join(stranger));
  CHECK_FALSE(rings->serve());
  rings->leave(*opener.process);
  CHECK(rings->serve());
  CHECK(read(other) == 5);
}

TEST_CASE_FIXTURE(RingsFixture, "the backplane is watched from then on, too") {
  auto request = open_request(1, FrameSourceKind::kBackplane);
  request.consumers = 2;
  RingClient one(open(request));
  CHECK(machine.watchers() == 0);
  RingClient other(join(stranger));
  CHECK(machine.watchers() == 1);
  rings->leave(*stranger.process);
  CHECK(machine.watchers() == 1);
  rings->leave(*opener.process);
  CHECK(machine.watchers() == 0);
}

TEST_CASE_FIXTURE(RingsFixture, "an open block ends the sleep when it is to be closed") {
  auto request = open_request(1, kFile);
  request.block_timeout = 1'000'000;
  RingClient one(open(request));
  script.available = 1;
  script.next_time = [] { return Clock::now() + std::chrono::hours(1); };
  const auto before = Clock::now();
  rings->serve();
  const auto until = rings->prepare_sleep();
  CHECK(until >= before + std::chrono::milliseconds(1));
  CHECK(until < before + std::chrono::minutes(30));
  while (Clock::now() < until) {
  }
  rings->serve();
  REQUIRE(one.consumer->next() != nullptr);
  CHECK((one.consumer->header().filled & wire::kBlockClosed) != 0);
}

TEST_CASE_FIXTURE(RingsFixture, "whichever system call fails, nothing is left behind") {
  const std::size_t before = tests::count_open_descriptors();
  unsigned failures = 0;
  for (const auto sharing : {wire::RingSharing::kExclusive, wire::RingSharing::kMirrored}) {
    auto request = open_request(1, kFile);
    request.sharing = sharing;
    for (unsigned n = 1;; ++n) {
      tests::FailingSystemCalls faults(n, ENOMEM);
      {
        const RingAnswer opened = open(request);
        const RingAnswer joined = join(stranger);
        const bool failed = faults.failed_call() != nullptr;
        CHECK((joined.reply.header.status != Status::kOk) == failed);
        failures += failed ? 1 : 0;
      }
      rings->leave(*opener.process);
      rings->leave(*stranger.process);
      CHECK(rings->empty());
      CHECK_FALSE(script.alive);
      CHECK(tests::count_open_descriptors() == before);
      if (faults.failed_call() == nullptr) break;
    }
  }
  CHECK(failures > 10);
}
