// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who is woken, when, and that nobody is forgotten: also with a consumer in a thread of its own and nicsim's
// side in another, both of which sleep.

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "nicsim/frames/frame_ring.h"
#include "nicsim/frames/testing/numbered_frames.h"
#include "nicsim/frames/testing/ring_consumer.h"
#include "platform/file_descriptor.h"

using namespace vmmc;
using nicsim::Frame;
using nicsim::FrameRing;
using nicsim::testing::NumberedFrames;
using nicsim::testing::RingConsumer;

namespace {

constexpr std::uint64_t kFrames = 30'000;

void sleep_on(int descriptor) {
  pollfd poll{descriptor, POLLIN, 0};
  while (::poll(&poll, 1, -1) < 0) {
  }
  std::uint64_t ignored;
  (void)!::read(descriptor, &ignored, sizeof ignored);
}

// Reads until the end; what it has read must be kFrames in order.
void consume(RingConsumer consumer, int pipe, int doorbell) {
  std::uint64_t expected = 0;
  std::uint64_t bad = 0;
  for (;;) {
    const bool ended = consumer.ended();  // before the last look
    while (const auto* frame = consumer.next()) {
      const auto bytes = RingConsumer::bytes(*frame);
      if (!NumberedFrames::is_whole(*frame, bytes)) ++bad;
      if (NumberedFrames::number_of(bytes) != expected++) ++bad;
    }
    if (consumer.must_ring()) (void)!::write(doorbell, "\1\0\0\0\0\0\0\0", 8);
    if (ended) break;
    if (consumer.arm()) sleep_on(pipe);
  }
  CHECK(expected == kFrames);
  CHECK(bad == 0);
}

// A ring whose consumers sleep when the test says so.
struct Sleepers {
  static constexpr std::size_t kLength = NumberedFrames::kLeast;

  explicit Sleepers(FrameRing::Options options) {
    options.block_bytes = wire::kPageSize;
    options.snap_length = 2000;
    frames = std::move(std::get<std::unique_ptr<FrameRing>>(FrameRing::make(options)));
    while (!frames->prepared()) REQUIRE(frames->prepare());
    for (auto& one : joined) one = std::move(std::get<FrameRing::Joined>(frames->join()));
    frames->wake();
  }
  wire::RingPort& port(std::size_t n) { return frames->port(joined[n].consumer).shared(); }
  // Nobody reads, so both would go on sleeping.
  void fall_asleep() {
    for (std::size_t n = 0; n < joined.size(); ++n) port(n).demand.consumer_sleeps = 1;
  }
  std::uint64_t woken() { return port(0).counters.wakeups + port(1).counters.wakeups; }
  void show(std::size_t count, FrameRing::Clock::time_point now, std::uint32_t flow = 0) {
    NumberedFrames numbers;
    std::vector<Frame> batch;
    for (std::size_t i = 0; i < count; ++i) batch.push_back(numbers.make(i, flow, kLength));
    REQUIRE(frames->write(batch, true, now) == count);
    frames->publish();
  }

  std::unique_ptr<FrameRing> frames;
  std::array<FrameRing::Joined, 2> joined;
};

constexpr FrameRing::Options kMirrored{.sharing = wire::RingSharing::kMirrored, .blocks = 800};
constexpr auto kNow = FrameRing::Clock::time_point(std::chrono::hours(1));

}  // namespace

TEST_CASE("frames are visible at once, and those who sleep over them are woken once") {
  Sleepers ring(kMirrored);
  ring.fall_asleep();
  ring.show(10, kNow);
  CHECK(ring.port(0).offer.offered == 1);
  CHECK(ring.woken() == 0);
  ring.frames->wake();
  CHECK(ring.woken() == 2);
  ring.fall_asleep();
  ring.frames->wake();  // they have seen all that there is
  CHECK(ring.woken() == 2);
}

TEST_CASE("to wake is put off until its time, which runs from the first frame that is owed") {
  Sleepers ring(kMirrored);
  ring.fall_asleep();
  ring.show(1, kNow);
  ring.frames->wake_if_due(kNow);
  ring.show(1, kNow + FrameRing::kWakeDelay / 2);
  ring.frames->wake_if_due(kNow + FrameRing::kWakeDelay - std::chrono::nanoseconds(1));
  CHECK(ring.woken() == 0);
  ring.frames->wake_if_due(kNow + FrameRing::kWakeDelay);
  CHECK(ring.woken() == 2);
  // The next time begins anew.
  ring.fall_asleep();
  ring.show(1, kNow + FrameRing::kWakeDelay);
  ring.frames->wake_if_due(kNow + FrameRing::kWakeDelay * 3 / 2);
  CHECK(ring.woken() == 2);
}

TEST_CASE("... or until there are many frames, dropped ones and those of all blocks among them") {
  Sleepers ring(kMirrored);
  ring.fall_asleep();
  ring.show(FrameRing::kWakeFrames - 1, kNow);
  ring.frames->wake_if_due(kNow);
  CHECK(ring.woken() == 0);
  ring.show(1, kNow);
  ring.frames->wake_if_due(kNow);
  CHECK(ring.woken() == 2);
  ring.fall_asleep();
  ring.show(FrameRing::kWakeFrames - 1, kNow);
  ring.frames->wake_if_due(kNow);
  CHECK(ring.woken() == 2);
}

TEST_CASE(
    "... or while more than half of the blocks are left; by flow: of those that are the "
    "sleeper's") {
  for (const FrameRing::Options& options :
       {FrameRing::Options{.sharing = wire::RingSharing::kMirrored, .blocks = 4},
        FrameRing::Options{.spread = wire::RingSpread::kFlows, .blocks = 8}}) {
    Sleepers ring(options);
    const std::size_t in_block = (wire::kPageSize - wire::kBlockHeaderBytes) /
                                 ((sizeof(wire::FrameHeader) + Sleepers::kLength + 31) / 32 * 32);
    ring.fall_asleep();
    ring.show(2 * in_block, kNow);
    ring.frames->wake_if_due(kNow);
    CHECK(ring.woken() == 0);
    ring.show(1, kNow);
    ring.frames->wake_if_due(kNow);
    CHECK(ring.woken() == 2);
  }
}

TEST_CASE("the end, and who joins or leaves, wake at once") {
  Sleepers ring(kMirrored);
  ring.fall_asleep();
  ring.show(1, kNow);
  auto third = std::move(std::get<FrameRing::Joined>(ring.frames->join()));
  CHECK(ring.woken() == 2);
  ring.fall_asleep();
  ring.frames->leave(third.consumer);
  CHECK(ring.woken() == 4);
  ring.fall_asleep();
  ring.frames->end(wire::Status::kOk);
  CHECK(ring.woken() == 6);
}

TEST_CASE("no wake-up is lost, on either side") {
  ::alarm(50);
  const std::uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  auto ring = std::move(std::get<std::unique_ptr<FrameRing>>(
      FrameRing::make({.blocks = 2, .block_bytes = wire::kPageSize, .snap_length = 1000})));
  const auto joined = std::move(std::get<FrameRing::Joined>(ring->join()));
  const platform::FileDescriptor doorbell(::eventfd(0, EFD_NONBLOCK));
  std::thread consumer(consume,
                       RingConsumer(ring->port(joined.consumer).shared(), ring->memory().data()),
                       joined.descriptors.pipe.get(), doorbell.get());
  NumberedFrames numbers;
  for (std::uint64_t next = 0; next < kFrames;) {
    numbers.clear();
    std::vector<Frame> batch;
    const std::size_t count = std::min<std::uint64_t>(1 + random() % 64, kFrames - next);
    for (std::size_t i = 0; i < count; ++i) {
      batch.push_back(numbers.make(next + i, 0, NumberedFrames::kLeast + random() % 200));
    }
    std::span<const Frame> left(batch);
    while (!left.empty()) {
      const std::size_t taken = ring->write(left, true, FrameRing::Clock::now());
      ring->publish();
      left = left.subspan(taken);
      if (left.empty()) {
        ring->wake_if_due(FrameRing::Clock::now());  // the next batch follows, or the end
      } else {
        ring->wake();
        if (!ring->ask_for_room()) sleep_on(doorbell.get());
      }
    }
    next += count;
    if (random() % 64 == 0) std::this_thread::yield();
  }
  ring->end(wire::Status::kOk);
  consumer.join();
  ::alarm(0);
  CHECK(ring->port(joined.consumer).counts().delivered == kFrames);
}
