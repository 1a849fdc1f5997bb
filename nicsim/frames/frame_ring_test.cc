// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/frame_ring.h"

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <vector>

#include "nicsim/frames/testing/numbered_frames.h"
#include "nicsim/frames/testing/ring_consumer.h"

using namespace vmmc;
using nicsim::Frame;
using nicsim::FrameRing;
using nicsim::testing::NumberedFrames;
using nicsim::testing::RingConsumer;
using Clock = FrameRing::Clock;

namespace {

constexpr std::size_t kLength = 1000;
constexpr std::uint32_t kFramesOfBlock = 3;  // of kLength
constexpr Clock::time_point kNow{std::chrono::seconds(100)};

struct Ring {
  explicit Ring(FrameRing::Options options = {}) {
    options.blocks = options.blocks == 0 ? 4 : options.blocks;
    options.block_bytes = wire::kPageSize;
    options.snap_length = options.snap_length == 0 ? 2000 : options.snap_length;
    REQUIRE(FrameRing::is_plausible(options));
    frames = std::move(std::get<std::unique_ptr<FrameRing>>(FrameRing::make(options)));
  }
  struct Member {
    std::uint32_t id;
    RingConsumer consumer;
    nicsim::RingPort::Descriptors descriptors;
  };
  Member join() {
    auto joined = std::move(std::get<FrameRing::Joined>(frames->join()));
    return {joined.consumer,
            RingConsumer(frames->port(joined.consumer).shared(), frames->memory().data()),
            std::move(joined.descriptors)};
  }
  // So many more frames; how many were taken.
  std::size_t write(std::size_t count, std::size_t length = kLength, bool waits = false,
                    std::uint32_t flow = 0) {
    numbers.clear();
    std::vector<Frame> batch;
    for (std::size_t i = 0; i < count; ++i) batch.push_back(numbers.make(next + i, flow, length));
    const std::size_t taken = frames->write(batch, waits, kNow);
    next += taken;
    frames->publish();
    return taken;
  }
  // All that it sees, as numbers.
  static std::vector<std::uint64_t> read(RingConsumer& consumer) {
    std::vector<std::uint64_t> numbers;
    while (const auto* frame = consumer.next()) {
      const auto bytes = RingConsumer::bytes(*frame);
      CHECK(NumberedFrames::is_whole(*frame, bytes));
      numbers.push_back(NumberedFrames::number_of(bytes));
    }
    return numbers;
  }

  std::unique_ptr<FrameRing> frames;
  NumberedFrames numbers;
  std::uint64_t next = 0;
};

using Numbers = std::vector<std::uint64_t>;
constexpr FrameRing::Options kMirrored{.sharing = wire::RingSharing::kMirrored};
constexpr FrameRing::Options kFlows{.spread = wire::RingSpread::kFlows};

}  // namespace

TEST_CASE("sizes that make no ring") {
  const FrameRing::Options good{.blocks = 2, .block_bytes = wire::kPageSize, .snap_length = 3969};
  CHECK(FrameRing::is_plausible(good));
  const auto with = [&](auto change) {
    FrameRing::Options options = good;
    change(options);
    return FrameRing::is_plausible(options);
  };
  CHECK_FALSE(with([](auto& o) { o.blocks = 1; }));
  CHECK_FALSE(with([](auto& o) { o.blocks = wire::kMaxRingBlocks + 1; }));
  CHECK_FALSE(with([](auto& o) { o.block_bytes = 0; }));
  CHECK_FALSE(with([](auto& o) { o.block_bytes = wire::kPageSize + 64; }));
  CHECK_FALSE(with([](auto& o) { o.block_bytes = wire::kMaxBlockBytes + wire::kPageSize; }));
  CHECK_FALSE(with([](auto& o) { o.snap_length = 0; }));
  CHECK_FALSE(with([](auto& o) { o.snap_length = 3970; }));
  CHECK_FALSE(with([](auto& o) { o.snap_length = UINT32_MAX; }));
  CHECK_FALSE(with([](auto& o) {
    o.blocks = wire::kMaxRingBlocks;
    o.block_bytes = wire::kMaxBlockBytes;
  }));
  CHECK_FALSE(with([](auto& o) {
    o.sharing = wire::RingSharing::kMirrored;
    o.spread = wire::RingSpread::kFlows;
  }));
}

TEST_CASE("the longest frame of the tightest block fits") {
  Ring ring({.snap_length = 3969});
  auto member = ring.join();
  CHECK(ring.write(4, 3969) == 4);
  CHECK(Ring::read(member.consumer) == Numbers{0, 1, 2, 3});
}

TEST_CASE("a frame is visible before its block is full, and only after publish") {
  Ring ring;
  auto member = ring.join();
  NumberedFrames numbers;
  const Frame frame = numbers.make(0, 0, kLength);
  CHECK(ring.frames->write({&frame, 1}, false, kNow) == 1);
  CHECK(member.consumer.next() == nullptr);
  ring.frames->publish();
  CHECK(Ring::read(member.consumer) == Numbers{0});
}

TEST_CASE("long frames are cut") {
  Ring ring({.snap_length = 100});
  auto member = ring.join();
  ring.write(1, 1000);
  ring.write(1, 100);
  const auto* cut = member.consumer.next();
  REQUIRE(cut != nullptr);
  CHECK(cut->captured == 100);
  CHECK(cut->length == 1000);
  CHECK(cut->flags == wire::kFrameCut);
  const auto* whole = member.consumer.next();
  REQUIRE(whole != nullptr);
  CHECK(whole->captured == 100);
  CHECK(whole->flags == 0);
}

TEST_CASE("every length arrives as it was") {
  Ring ring({.blocks = 64});
  auto member = ring.join();
  for (std::size_t length = NumberedFrames::kLeast; length < 400; ++length) {
    ring.write(1, length);
    CHECK(Ring::read(member.consumer).size() == 1);
  }
}

TEST_CASE("what finds no block is counted, and the next frame says how much") {
  Ring ring;
  auto member = ring.join();
  constexpr std::uint64_t kFit = 4 * kFramesOfBlock;
  CHECK(ring.write(kFit + 5) == kFit + 5);
  const auto& counters = member.consumer.port().counters;
  CHECK(counters.delivered == kFit);
  CHECK(counters.delivered_bytes == kFit * kLength);
  CHECK(counters.dropped == 5);
  CHECK(counters.dropped_bytes == 5 * kLength);
  CHECK(Ring::read(member.consumer).size() == kFit);
  ring.write(1);
  const auto* frame = member.consumer.next();
  REQUIRE(frame != nullptr);
  CHECK(frame->dropped == 5);
  CHECK(member.consumer.header().first_frame == kFit + 5);
  CHECK(member.consumer.header().number == 4);
}

TEST_CASE("a source that waits loses nothing") {
  Ring ring;
  auto member = ring.join();
  constexpr std::uint64_t kFit = 4 * kFramesOfBlock;
  CHECK(ring.write(kFit + 5, kLength, true) == kFit);
  CHECK_FALSE(ring.frames->ask_for_room());
  CHECK(Ring::read(member.consumer).size() == kFit);
  CHECK(member.consumer.must_ring());
  CHECK(ring.frames->ask_for_room());  // it has been heard of
  CHECK(ring.write(5, kLength, true) == 5);
  CHECK(member.consumer.port().counters.dropped == 0);
}

TEST_CASE("mirrored: everybody gets everything, and the slowest decides") {
  Ring ring(kMirrored);
  auto one = ring.join();
  auto other = ring.join();
  ring.write(2 * kFramesOfBlock);
  CHECK(Ring::read(one.consumer) == Numbers{0, 1, 2, 3, 4, 5});
  CHECK(Ring::read(other.consumer) == Numbers{0, 1, 2, 3, 4, 5});
  other.consumer.keeps = true;
  ring.write(4 * kFramesOfBlock + 1);
  CHECK(Ring::read(one.consumer).size() == Ring::read(other.consumer).size());
  // One more block is there: that of frame 5 is open for neither of them.
  CHECK(one.consumer.port().counters.dropped == other.consumer.port().counters.dropped);
  CHECK(ring.write(1, kLength, true) == 0);
  ring.frames->leave(other.id);
  CHECK(ring.write(1, kLength, true) == 1);
}

TEST_CASE("mirrored: who joins gets what comes from now on") {
  Ring ring(kMirrored);
  auto one = ring.join();
  ring.write(1);
  auto other = ring.join();
  ring.write(1);
  CHECK(Ring::read(one.consumer) == Numbers{0, 1});
  CHECK(Ring::read(other.consumer) == Numbers{1});
  CHECK(one.consumer.port().counters.delivered == 2);
  CHECK(other.consumer.port().counters.delivered == 1);
}

TEST_CASE("exclusive: by block, to who holds the fewest") {
  Ring ring;
  auto one = ring.join();
  auto other = ring.join();
  ring.write(2 * kFramesOfBlock);
  CHECK(Ring::read(one.consumer).size() == kFramesOfBlock);
  CHECK(Ring::read(other.consumer).size() == kFramesOfBlock);
  one.consumer.keeps = true;
  ring.write(kFramesOfBlock + 1);  // to both
  CHECK(Ring::read(one.consumer).size() + Ring::read(other.consumer).size() == kFramesOfBlock + 1);
  // Who gives nothing back does not keep the other one from anything.
  for (int i = 0; i < 20; ++i) {
    ring.write(kFramesOfBlock);
    Ring::read(one.consumer);
    Ring::read(other.consumer);
  }
  CHECK(one.consumer.port().counters.dropped + other.consumer.port().counters.dropped == 0);
}

TEST_CASE("exclusive: what a consumer leaves behind goes to another one") {
  Ring ring;
  auto one = ring.join();
  ring.write(kFramesOfBlock + 1);
  REQUIRE(one.consumer.next() != nullptr);
  auto heir = ring.join();
  ring.frames->leave(one.id);
  std::vector<std::uint64_t> numbers;
  while (const auto* frame = heir.consumer.next()) {
    numbers.push_back(NumberedFrames::number_of(RingConsumer::bytes(*frame)));
    CHECK(heir.consumer.header().flags == wire::kBlockOfferedBefore);
  }
  CHECK(numbers == Numbers{0, 1, 2, 3});
  CHECK(heir.consumer.port().counters.delivered == 0);  // it was to the other one
  ring.write(1);
  REQUIRE(heir.consumer.next() != nullptr);
  CHECK(heir.consumer.header().flags == 0);
}

TEST_CASE("the last one that leaves leaves all blocks free") {
  for (const auto& options : {FrameRing::Options{}, kMirrored, kFlows}) {
    Ring ring(options);
    const auto one = ring.join();
    const auto other = ring.join();
    ring.write(100);
    ring.frames->leave(one.id);
    ring.frames->leave(other.id);
    CHECK(ring.frames->free_blocks() == 4);
    CHECK(ring.frames->consumers() == 0);
  }
}

TEST_CASE("by flow: one flow stays with one consumer, and who stands still costs only its own") {
  Ring ring(kFlows);
  auto one = ring.join();
  auto other = ring.join();
  ring.write(1, kLength, false, 1);
  const bool is_one = one.consumer.sees_offers();
  auto& mine = is_one ? one.consumer : other.consumer;
  auto& others = is_one ? other.consumer : one.consumer;
  ring.write(50, kLength, false, 1);
  CHECK_FALSE(others.sees_offers());
  CHECK(ring.frames->free_blocks() == 2);  // its share is the half
  CHECK(Ring::read(mine).size() == 2 * kFramesOfBlock);
  CHECK(mine.port().counters.dropped == 51 - 2 * kFramesOfBlock);
  CHECK(others.port().counters.dropped == 0);
}

TEST_CASE("by flow: what an heir is given does not wait behind its own open block") {
  Ring ring(kFlows);
  auto one = ring.join();
  auto other = ring.join();
  std::uint32_t flow = 0;
  while (!one.consumer.sees_offers() || !other.consumer.sees_offers()) {
    ring.write(1, kLength, true, ++flow);
  }
  const Numbers before = Ring::read(other.consumer);
  CHECK_FALSE(before.empty());
  ring.frames->leave(one.id);
  const Numbers inherited = Ring::read(other.consumer);
  CHECK(before.size() + inherited.size() == ring.next);
  CHECK_FALSE(inherited.empty());
}

TEST_CASE("an open block is closed when its time is over") {
  FrameRing::Options options;
  options.block_timeout = 1000;
  Ring ring(options);
  auto one = ring.join();
  CHECK(ring.frames->next_timeout() == Clock::time_point::max());
  ring.write(1);
  CHECK(ring.frames->next_timeout() == kNow + std::chrono::nanoseconds(1000));
  ring.frames->close_overdue(kNow + std::chrono::nanoseconds(999));
  REQUIRE(one.consumer.next() != nullptr);
  CHECK((one.consumer.header().filled & wire::kBlockClosed) == 0);
  ring.frames->close_overdue(kNow + std::chrono::nanoseconds(1000));
  CHECK((one.consumer.header().filled & wire::kBlockClosed) != 0);
  CHECK(ring.frames->next_timeout() == Clock::time_point::max());
  ring.write(1);
  CHECK(Ring::read(one.consumer) == Numbers{1});
}

TEST_CASE("the largest timeout is none") {
  FrameRing::Options options;
  options.block_timeout = UINT64_MAX;
  Ring ring(options);
  const auto one = ring.join();
  ring.write(1);
  CHECK(ring.frames->next_timeout() == Clock::time_point::max());
  ring.frames->close_overdue(Clock::time_point::max() - std::chrono::nanoseconds(1));
  CHECK((reinterpret_cast<wire::BlockHeader*>(ring.frames->memory().data())->filled &
         wire::kBlockClosed) == 0);
}

TEST_CASE("the end is said after the last frame, also to who joins later") {
  Ring ring;
  auto one = ring.join();
  ring.write(1);
  ring.frames->end(wire::Status::kTruncatedCapture);
  CHECK(one.consumer.ended());
  CHECK(Ring::read(one.consumer) == Numbers{0});
  auto late = ring.join();
  CHECK(late.consumer.ended());
  CHECK(late.consumer.port().offer.status ==
        static_cast<std::int32_t>(wire::Status::kTruncatedCapture));
}

TEST_CASE("what the source has lost counts from the joining on") {
  Ring ring;
  auto one = ring.join();
  ring.frames->set_source_dropped(5);
  auto other = ring.join();
  ring.frames->set_source_dropped(7);
  CHECK(one.consumer.port().counters.source_dropped == 7);
  CHECK(other.consumer.port().counters.source_dropped == 2);
}

// Which no honest consumer does.
TEST_CASE("an open block that comes back is closed") {
  for (const auto& options : {FrameRing::Options{}, kMirrored, kFlows}) {
    Ring ring(options);
    auto one = ring.join();
    ring.write(1);
    one.consumer.give_back(one.consumer.port().offered[0]);
    ring.write(4 * kFramesOfBlock);
    CHECK(one.consumer.port().counters.delivered == 1 + 4 * kFramesOfBlock);
  }
}
