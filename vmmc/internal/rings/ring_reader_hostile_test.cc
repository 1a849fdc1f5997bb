// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A port and blocks full of nonsense: an error, and no access outside of them. (The memory has a
// page on each side that nobody may touch; under AddressSanitizer the reader's own is watched.)

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "vmmc/internal/rings/ring_reader.h"
#include "vmmc/internal/rings/testing/ring_producer.h"

using namespace vmmc;
using namespace vmmc::internal;
using testing::RingProducer;

namespace {

constexpr std::uint32_t kBlocks = 4;
constexpr std::uint32_t kBlockBytes = 4096;

struct Rig {
  Rig() : producer(kBlocks, kBlockBytes) {
    ::alarm(50);
    const std::vector<std::byte> data(64, std::byte{1});
    for (int i = 0; i < 50; ++i) REQUIRE(producer.publish(data));
  }
  ~Rig() { ::alarm(0); }
  wire::RingPort& port() { return producer.port(); }
  wire::FrameHeader& frame(std::uint32_t offset) {
    return *reinterpret_cast<wire::FrameHeader*>(reinterpret_cast<std::byte*>(&producer.block(0)) +
                                                 offset);
  }
  int read_all() {
    const wire::FrameHeader* frame = nullptr;
    int status = VMMC_OK;
    for (int i = 0; i < 1000 && status == VMMC_OK; ++i) status = reader.next(&frame, 0);
    return status;
  }
  RingProducer producer;
  RingReader reader{producer.memory(), producer.pipe(), producer};
};

void expect_malformed(Rig& rig) {
  CHECK(rig.read_all() == VMMC_ERR_MALFORMED);
  RingReader::Taken taken{};
  CHECK(rig.reader.take(&taken, VMMC_FOREVER) == VMMC_ERR_MALFORMED);
  CHECK(rig.reader.arm() == VMMC_ERR_MALFORMED);
  CHECK(rig.reader.give_back_part(0) == VMMC_ERR_MALFORMED);
  CHECK(std::strlen(rig.reader.nonsense()) > 0);
}

// A value that may be nearly right, or anything.
std::uint64_t strange(std::mt19937_64& random) {
  constexpr std::uint64_t kEdges[] = {0,
                                      1,
                                      31,
                                      32,
                                      63,
                                      64,
                                      96,
                                      4064,
                                      4095,
                                      4096,
                                      4097,
                                      UINT32_MAX,
                                      UINT64_MAX,
                                      wire::kBlockClosed,
                                      wire::kBlockClosed | 64,
                                      wire::kBlockClosed | 4096,
                                      UINT64_MAX - 31};
  switch (random() % 3) {
    case 0:
      return random();
    case 1:
      return random() % 8192 / 32 * 32 | (random() % 2 == 0 ? wire::kBlockClosed : 0);
    default:
      return kEdges[random() % (sizeof kEdges / sizeof kEdges[0])];
  }
}

void damage(RingProducer& producer, std::mt19937_64& random) {
  wire::RingPort& port = producer.port();
  const std::uint64_t value = strange(random);
  const auto block = static_cast<std::uint32_t>(random() % kBlocks);
  switch (random() % 6) {
    case 0:
      port.offer.offered.store(random() % 2 == 0 ? value : random() % 8);
      break;
    case 1:
      __atomic_store_n(&port.offered[random() % 8],
                       static_cast<std::uint32_t>(random() % 2 == 0 ? value : random() % kBlocks),
                       __ATOMIC_RELAXED);
      break;
    case 2:
      producer.block(block).filled.store(value);
      break;
    case 3:
      port.offer.state.store(static_cast<std::uint32_t>(random() % 4 == 0 ? value : 0));
      port.offer.status.store(static_cast<std::int32_t>(value));
      break;
    default: {
      auto* words = reinterpret_cast<std::uint32_t*>(&producer.block(block));
      __atomic_store_n(&words[random() % (kBlockBytes / 4)], static_cast<std::uint32_t>(value),
                       __ATOMIC_RELAXED);
    }
  }
}

// Whatever the reader hands out lies in the blocks.
bool lies_inside(const RingProducer& producer, const std::byte* first, const std::byte* end) {
  const std::byte* const blocks = producer.memory().blocks;
  return first >= blocks && first <= end && end <= blocks + kBlocks * kBlockBytes;
}

bool use(RingProducer& producer, RingReader& reader, std::mt19937_64& random) {
  if (random() % 2 == 0) {
    const wire::FrameHeader* frame = nullptr;
    if (reader.next(&frame, random() % 8 == 0 ? 1000 : 0) != VMMC_OK) return true;
    const auto* first = reinterpret_cast<const std::byte*>(frame);
    return lies_inside(producer, first, first + sizeof *frame);
  }
  RingReader::Taken taken{};
  if (reader.take(&taken, random() % 8 == 0 ? 1000 : 0) != VMMC_OK) return true;
  if (random() % 2 == 0) (void)reader.give_back_part(taken.index);
  return lies_inside(producer, taken.first, taken.end);
}

}  // namespace

TEST_CASE("what makes no sense ends the ring") {
  Rig rig;
  SUBCASE("more offers than blocks") { rig.port().offer.offered.store(kBlocks + 1); }
  SUBCASE("offers taken back") {
    const wire::FrameHeader* frame = nullptr;
    REQUIRE(rig.reader.next(&frame, 0) == VMMC_OK);
    rig.producer.close_block();
    rig.port().offer.offered.store(0);
  }
  SUBCASE("an offer of no block") { rig.port().offered[0] = kBlocks; }
  SUBCASE("an offer of a block that is held") {
    RingReader::Taken taken{};
    REQUIRE(rig.reader.take(&taken, 0) == VMMC_OK);
    rig.port().offered[1] = taken.index;
  }
  SUBCASE("filled beyond the block") { rig.producer.block(0).filled.store(kBlockBytes + 32); }
  SUBCASE("filled below the header") { rig.producer.block(0).filled.store(32); }
  SUBCASE("filled in the middle of a line") { rig.producer.block(0).filled.store(100); }
  SUBCASE("a closed block without frames") {
    rig.producer.block(0).filled.store(64 | wire::kBlockClosed);
  }
  SUBCASE("a frame that goes on beyond what is filled") { rig.frame(64).next = kBlockBytes; }
  SUBCASE("a frame of no length") { rig.frame(64).next = 0; }
  SUBCASE("a frame that does not end with a line") { rig.frame(64).next = 100; }
  SUBCASE("more captured than there is") { rig.frame(64).captured = 65; }
  SUBCASE("so much captured that the sum is small") { rig.frame(64).captured = UINT32_MAX; }
  SUBCASE("an unknown state") { rig.port().offer.state.store(2); }
  SUBCASE("an unknown end") {
    rig.port().offer.state.store(1);
    rig.port().offer.status.store(7);
  }
  expect_malformed(rig);
}

TEST_CASE("random nonsense, between any two calls") {
  const std::uint64_t seed = std::random_device()();
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  int malformed = 0;
  for (int round = 0; round < 3000; ++round) {
    Rig rig;
    for (int step = 0; step < 40 && rig.reader.stopped() == VMMC_OK; ++step) {
      if (random() % 2 == 0) damage(rig.producer, random);
      REQUIRE(use(rig.producer, rig.reader, random));
    }
    if (rig.reader.stopped() == VMMC_ERR_MALFORMED) ++malformed;
  }
  CHECK(malformed > 0);
}

TEST_CASE("random nonsense, at any moment") {
  const std::uint64_t seed = std::random_device()();
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    Rig rig;
    std::atomic<bool> end{false};
    std::thread vandal([&, mine = random()] {
      std::mt19937_64 own(mine);
      while (!end.load(std::memory_order_relaxed)) damage(rig.producer, own);
    });
    bool inside = true;
    for (int step = 0; step < 400 && rig.reader.stopped() == VMMC_OK; ++step) {
      inside = inside && use(rig.producer, rig.reader, random);
    }
    end.store(true);
    vandal.join();
    REQUIRE(inside);
  }
}
