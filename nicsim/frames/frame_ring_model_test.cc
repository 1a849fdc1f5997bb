// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A ring against a simple model: consumers that join, read, keep, give back in any order, leave and
// die, in random turns. Every frame must be accounted for exactly.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "nicsim/frames/frame_ring.h"
#include "nicsim/frames/testing/numbered_frames.h"
#include "nicsim/frames/testing/ring_consumer.h"

using namespace vmmc;
using nicsim::Frame;
using nicsim::FrameRing;
using nicsim::testing::NumberedFrames;
using nicsim::testing::RingConsumer;

namespace {

constexpr std::uint32_t kBlocks = 8;
constexpr std::uint32_t kFlows = 20;

struct Member {
  std::uint32_t id;
  RingConsumer consumer;
  nicsim::RingPort::Descriptors descriptors;
  std::vector<std::uint64_t> read = {};           // as they came, but for inherited ones
  std::optional<std::uint64_t> last_number = {};  // by the blocks' and frames' own account
  std::uint64_t last_block = 0;
  std::map<std::uint32_t, std::uint64_t> last_of_flow = {};
};

class Model {
 public:
  Model(const FrameRing::Options& options, bool waits, std::uint32_t seed)
      : options_(options), waits_(waits), random_(seed) {
    ring_ = std::move(std::get<std::unique_ptr<FrameRing>>(FrameRing::make(options)));
    join();
  }

  void step() {
    switch (below(10)) {
      case 0:
        if (members_.size() < 5) join();
        break;
      case 1:
        if (members_.size() > 1) leave(below(members_.size()));
        break;
      case 2:
        members_[below(members_.size())].consumer.keeps ^= true;
        break;
      case 3:
        return give_back(members_[below(members_.size())]);
      case 4:
        return ring_->close_overdue(now_ += std::chrono::microseconds(below(5)));
      case 5:
      case 6:
        return read(members_[below(members_.size())], below(100));
      default:
        write(below(40));
    }
  }

  // Everybody reads everything: now all is known.
  void finish() {
    ring_->end(wire::Status::kOk);
    for (Member& member : members_) {
      read(member, SIZE_MAX);
      CHECK(member.consumer.ended());
      check_counts(member);
      if (mirrored()) check_mirrored(member);
    }
    CHECK(dropped_ + delivered_ == expected_);
    if (!mirrored()) CHECK(seen_.size() == delivered_);
    if (waits_) CHECK(dropped_ == 0);
    for (Member& member : members_) {
      member.consumer.give_kept_back();
    }
    while (!members_.empty()) {
      ring_->leave(members_.back().id);
      members_.pop_back();
    }
    CHECK(ring_->free_blocks() == kBlocks);
  }

 private:
  std::size_t below(std::size_t end) { return random_() % end; }
  bool mirrored() const { return options_.sharing == wire::RingSharing::kMirrored; }

  void join() {
    auto joined = std::move(std::get<FrameRing::Joined>(ring_->join()));
    members_.push_back({joined.consumer,
                        RingConsumer(ring_->port(joined.consumer).shared(), ring_->memory().data()),
                        std::move(joined.descriptors)});
  }

  void leave(std::size_t which) {
    Member& leaver = members_[which];
    check_counts(leaver);
    ring_->leave(leaver.id);
    members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  // What it was counted for becomes the whole machine's.
  void check_counts(const Member& member) {
    const wire::RingCounters& counters = member.consumer.port().counters;
    delivered_ += counters.delivered;
    dropped_ += counters.dropped;
    const nicsim::FrameCounts& own = ring_->port(member.id).counts();
    CHECK(own.delivered == counters.delivered);
    CHECK(own.dropped_bytes == counters.dropped_bytes);
    // Its own part of what a mirrored ring had while it was there.
    if (mirrored()) CHECK(counters.delivered >= member.read.size());
  }

  void check_mirrored(const Member& member) {
    CHECK(member.consumer.port().counters.delivered == member.read.size());
    CHECK(std::is_sorted(member.read.begin(), member.read.end()));
  }

  void give_back(Member& member) {
    std::shuffle(member.consumer.kept.begin(), member.consumer.kept.end(), random_);
    member.consumer.give_kept_back();
  }

  void read(Member& member, std::size_t most) {
    for (std::size_t n = 0; n < most; ++n) {
      const auto* frame = member.consumer.next();
      if (frame == nullptr) return;
      take(member, *frame);
    }
  }

  void take(Member& member, const wire::FrameHeader& frame) {
    const auto bytes = RingConsumer::bytes(frame);
    REQUIRE(NumberedFrames::is_whole(frame, bytes));
    const std::uint64_t number = NumberedFrames::number_of(bytes);
    const wire::BlockHeader& block = member.consumer.header();
    const bool again = (block.flags & wire::kBlockOfferedBefore) != 0;
    const bool fresh = seen_.insert(number).second;
    if (!mirrored()) CHECK((fresh || again));
    if (again) return;
    check_numbering(member, block, frame, number);
    member.read.push_back(number);
    if (options_.spread != wire::RingSpread::kFlows) return;
    auto& last = member.last_of_flow[NumberedFrames::flow_of(bytes)];
    CHECK(number >= last);
    last = number;
  }

  // The ring's own account: by flow it numbers what is a consumer's own.
  void check_numbering(Member& member, const wire::BlockHeader& block,
                       const wire::FrameHeader& frame, std::uint64_t number) {
    const bool begins = !member.last_number || member.last_block != block.number;
    const std::uint64_t expected =
        begins ? block.first_frame : *member.last_number + 1 + frame.dropped;
    if (options_.spread != wire::RingSpread::kFlows) CHECK(number == expected);
    if (begins && mirrored() && member.last_number) {
      CHECK(expected == *member.last_number + 1 + frame.dropped);
    }
    member.last_number = expected;
    member.last_block = block.number;
  }

  void write(std::size_t count) {
    numbers_.clear();
    std::vector<Frame> batch;
    for (std::size_t i = 0; i < count; ++i) {
      const auto flow = static_cast<std::uint32_t>(below(kFlows));
      batch.push_back(numbers_.make(next_ + i, flow, NumberedFrames::kLeast + below(1200)));
    }
    const std::size_t taken = ring_->write(batch, waits_, now_);
    ring_->publish();
    next_ += taken;
    expected_ += taken * (mirrored() ? members_.size() : 1);
  }

  const FrameRing::Options options_;
  const bool waits_;
  std::mt19937 random_;
  std::unique_ptr<FrameRing> ring_;
  std::vector<Member> members_;
  NumberedFrames numbers_;
  FrameRing::Clock::time_point now_{std::chrono::seconds(1)};
  std::uint64_t next_ = 0;
  std::uint64_t expected_ = 0;  // delivered or dropped
  std::uint64_t delivered_ = 0;
  std::uint64_t dropped_ = 0;
  std::set<std::uint64_t> seen_;
};

void run(wire::RingSharing sharing, wire::RingSpread spread) {
  for (int turn = 0; turn < 60; ++turn) {
    const std::uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    Model model({.sharing = sharing,
                 .spread = spread,
                 .blocks = kBlocks,
                 .block_bytes = wire::kPageSize,
                 .snap_length = 1000,
                 .block_timeout = turn % 3 == 0 ? 0u : 3000u},
                turn % 2 == 0, seed);
    for (int i = 0; i < 400; ++i) model.step();
    model.finish();
  }
}

}  // namespace

TEST_CASE("mirrored, against the model") {
  run(wire::RingSharing::kMirrored, wire::RingSpread::kBlocks);
}
TEST_CASE("exclusive by block, against the model") {
  run(wire::RingSharing::kExclusive, wire::RingSpread::kBlocks);
}
TEST_CASE("exclusive by flow, against the model") {
  run(wire::RingSharing::kExclusive, wire::RingSpread::kFlows);
}

// An honest consumer next to one that writes anything anywhere in its port.
TEST_CASE("a hostile consumer harms itself alone") {
  for (int turn = 0; turn < 30; ++turn) {
    const std::uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    auto ring = std::move(std::get<std::unique_ptr<FrameRing>>(
        FrameRing::make({.blocks = kBlocks, .block_bytes = wire::kPageSize, .snap_length = 500})));
    const auto hostile = std::move(std::get<FrameRing::Joined>(ring->join()));
    const auto honest = std::move(std::get<FrameRing::Joined>(ring->join()));
    wire::RingPort& port = ring->port(hostile.consumer).shared();
    RingConsumer reader(ring->port(honest.consumer).shared(), ring->memory().data());
    NumberedFrames numbers;
    std::uint64_t read = 0;
    for (std::uint64_t n = 0; n < 4000; ++n) {
      port.returned[random() % wire::kMaxRingBlocks] = random() % (2 * kBlocks);
      const std::uint64_t lie = random() % 4 == 0 ? random() : port.demand.returned + random() % 3;
      port.demand.returned = lie;
      port.demand.consumer_sleeps = static_cast<std::uint32_t>(random() % 3);
      port.demand.nic_sleeps = static_cast<std::uint32_t>(random());
      port.offer.offered = random();
      port.offered[random() % wire::kMaxRingBlocks] = static_cast<std::uint32_t>(random());
      numbers.clear();
      const Frame frame = numbers.make(n, 0, NumberedFrames::kLeast + random() % 500);
      ring->write({&frame, 1}, false, FrameRing::Clock::now());
      ring->publish();
      ring->ask_for_room();
      while (const auto* next = reader.next()) {
        REQUIRE(NumberedFrames::is_whole(*next, RingConsumer::bytes(*next)));
        ++read;
      }
    }
    // It always has the fewest blocks, as it gives them back at once.
    CHECK(read == reader.port().counters.delivered);
    CHECK(read + ring->port(hostile.consumer).counts().delivered == 4000);
    ring->leave(hostile.consumer);
    ring->leave(honest.consumer);
    CHECK(ring->free_blocks() == kBlocks);
  }
}
