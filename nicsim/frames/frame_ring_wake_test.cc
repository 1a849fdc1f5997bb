// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A consumer in a thread of its own, nicsim's side in another: both sleep, and neither is forgotten.

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

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

}  // namespace

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
      if (!left.empty() && !ring->ask_for_room()) sleep_on(doorbell.get());
    }
    next += count;
    if (random() % 64 == 0) std::this_thread::yield();
  }
  ring->end(wire::Status::kOk);
  consumer.join();
  ::alarm(0);
  CHECK(ring->port(joined.consumer).counts().delivered == kFrames);
}
