// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/rings/ring_reader.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <time.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "vmmc/internal/rings/testing/ring_producer.h"

using namespace vmmc;
using namespace vmmc::internal;
using testing::RingProducer;

namespace {

std::vector<std::byte> frame_of(std::size_t bytes, unsigned char fill) {
  return std::vector<std::byte>(bytes, std::byte{fill});
}

// A block of 4096 holds 42 frames of 64 bytes.
constexpr std::uint32_t kBlockBytes = 4096;
constexpr int kFramesOfBlock = 42;

void publish(RingProducer& producer, int frames, int first = 0) {
  for (int i = first; i < first + frames; ++i) {
    REQUIRE(producer.publish(frame_of(64, static_cast<unsigned char>(i))));
  }
}

void expect_frames(RingReader& reader, int frames, int first = 0) {
  for (int i = first; i < first + frames; ++i) {
    const wire::FrameHeader* frame = nullptr;
    REQUIRE(reader.next(&frame, 0) == VMMC_OK);
    CHECK(frame->captured == 64);
    CHECK(std::memcmp(frame + 1, frame_of(64, static_cast<unsigned char>(i)).data(), 64) == 0);
  }
}

int next(RingReader& reader, std::uint64_t timeout = 0) {
  const wire::FrameHeader* frame = nullptr;
  return reader.next(&frame, timeout);
}

bool readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

struct Rig {
  explicit Rig(std::uint32_t blocks = 4) : producer(blocks, kBlockBytes) {}
  RingProducer producer;
  RingReader reader{producer.memory(), producer.pipe(), producer};
};

}  // namespace

TEST_CASE("a frame is visible as soon as it is there, long before its block is full") {
  Rig rig;
  CHECK(next(rig.reader) == VMMC_ERR_TIMEOUT);
  publish(rig.producer, 1);
  expect_frames(rig.reader, 1);
  CHECK(next(rig.reader) == VMMC_ERR_TIMEOUT);
  publish(rig.producer, 2, 1);
  expect_frames(rig.reader, 2, 1);
}

TEST_CASE("a block is given back when the frame behind its last one is asked for") {
  Rig rig;
  publish(rig.producer, kFramesOfBlock);
  rig.producer.close_block();
  expect_frames(rig.reader, kFramesOfBlock);
  REQUIRE(rig.producer.take_back());
  CHECK(rig.producer.held() == 1);
  CHECK(next(rig.reader) == VMMC_ERR_TIMEOUT);
  REQUIRE(rig.producer.take_back());
  CHECK(rig.producer.held() == 0);
}

TEST_CASE("an open block that has been read is closed without another frame, and goes back") {
  Rig rig;
  publish(rig.producer, 1);
  expect_frames(rig.reader, 1);
  CHECK(next(rig.reader) == VMMC_ERR_TIMEOUT);
  rig.producer.close_block();
  publish(rig.producer, 1, 1);
  expect_frames(rig.reader, 1, 1);
  REQUIRE(rig.producer.take_back());
  CHECK(rig.producer.held() == 1);
}

TEST_CASE("frames of all lengths, many times round the ring") {
  Rig rig(2);
  int number = 0;
  for (int round = 0; round < 2000; ++round) {
    const std::size_t bytes = static_cast<std::size_t>(round * 7) % 3900;
    REQUIRE(rig.producer.publish(frame_of(bytes, static_cast<unsigned char>(number))));
    const wire::FrameHeader* frame = nullptr;
    REQUIRE(rig.reader.next(&frame, 0) == VMMC_OK);
    CHECK(frame->captured == bytes);
    CHECK(frame->time == static_cast<std::uint64_t>(number));
    ++number;
  }
}

TEST_CASE("the doorbell is rung only for a nicsim that sleeps") {
  Rig rig(2);
  publish(rig.producer, kFramesOfBlock * 2);
  rig.producer.close_block();
  expect_frames(rig.reader, kFramesOfBlock + 1);
  CHECK(rig.producer.doorbells() == 0);
  expect_frames(rig.reader, kFramesOfBlock - 1, kFramesOfBlock + 1);
  rig.producer.port().demand.nic_sleeps.store(1);
  CHECK(next(rig.reader) == VMMC_ERR_TIMEOUT);
  CHECK(rig.producer.doorbells() == 1);
  CHECK(rig.producer.port().demand.nic_sleeps.load() == 0);
}

TEST_CASE("the end comes after all frames, and stays") {
  Rig rig;
  publish(rig.producer, kFramesOfBlock + 3);
  rig.producer.end(wire::Status::kOk);
  expect_frames(rig.reader, kFramesOfBlock + 3);
  CHECK(next(rig.reader, VMMC_FOREVER) == VMMC_END);
  CHECK(next(rig.reader, VMMC_FOREVER) == VMMC_END);
  REQUIRE(rig.producer.take_back());
  CHECK(rig.producer.held() == 0);
}

TEST_CASE("a source that fails says why after its last frame") {
  for (const wire::Status status : {wire::Status::kCorruptCapture, wire::Status::kTruncatedCapture,
                                    wire::Status::kFrameSourceGone, wire::Status::kOutOfMemory}) {
    Rig rig;
    publish(rig.producer, 3);
    rig.producer.end(status);
    expect_frames(rig.reader, 3);
    CHECK(next(rig.reader, VMMC_FOREVER) == static_cast<int>(status));
  }
}

TEST_CASE("the end with a block left open is the end, too") {
  Rig rig;
  publish(rig.producer, 3);
  rig.producer.end_with_open_block(wire::Status::kOk);
  RingReader::Taken taken{};
  REQUIRE(rig.reader.take(&taken, VMMC_FOREVER) == VMMC_OK);
  CHECK(taken.frames == 3);
  CHECK(rig.reader.take(&taken, VMMC_FOREVER) == VMMC_END);
}

TEST_CASE("blocks that come from a consumer that has died come after the end, too") {
  Rig rig;
  publish(rig.producer, 1);
  rig.producer.end(wire::Status::kOk);
  expect_frames(rig.reader, 1);
  CHECK(next(rig.reader) == VMMC_END);
  rig.producer.offer_before(true);
  publish(rig.producer, 1, 1);
  rig.producer.close_block();
  RingReader::Taken taken{};
  REQUIRE(rig.reader.take(&taken, 0) == VMMC_OK);
  CHECK(taken.again);
  CHECK(rig.reader.take(&taken, 0) == VMMC_END);
}

TEST_CASE("a frame says whether somebody was given it before") {
  Rig rig;
  CHECK_FALSE(rig.reader.again());
  rig.producer.offer_before(true);
  publish(rig.producer, 1);
  rig.producer.close_block();
  rig.producer.offer_before(false);
  publish(rig.producer, 1, 1);
  expect_frames(rig.reader, 1);
  CHECK(rig.reader.again());
  expect_frames(rig.reader, 1, 1);
  CHECK_FALSE(rig.reader.again());
}

TEST_CASE("nicsim's end comes after all frames that are there") {
  Rig rig;
  publish(rig.producer, 2);
  SUBCASE("by its pipe") { rig.producer.hang_up(); }
  SUBCASE("by its connection") { rig.producer.set_gone(); }
  expect_frames(rig.reader, 2);
  CHECK(next(rig.reader, VMMC_FOREVER) == VMMC_ERR_NICSIM_GONE);
}

TEST_CASE("a wait ends with its timeout, and the thread's errno is as it was") {
  Rig rig;
  errno = 77;
  const int status = next(rig.reader, 20'000'000);
  const int left = errno;
  CHECK(status == VMMC_ERR_TIMEOUT);
  CHECK(left == 77);
  publish(rig.producer, 1);
  expect_frames(rig.reader, 1);
}

TEST_CASE("armed: the descriptor is readable once there is something, and not for ever") {
  Rig rig;
  CHECK(rig.reader.arm() == VMMC_OK);
  CHECK_FALSE(readable(rig.producer.pipe()));
  publish(rig.producer, 1);
  CHECK(readable(rig.producer.pipe()));
  CHECK(rig.reader.arm() == VMMC_PENDING);
  CHECK_FALSE(readable(rig.producer.pipe()));
  expect_frames(rig.reader, 1);
  CHECK(rig.reader.arm() == VMMC_OK);
  CHECK_FALSE(readable(rig.producer.pipe()));
  rig.producer.close_block();
  CHECK(readable(rig.producer.pipe()));
  CHECK(rig.reader.arm() == VMMC_OK);
  rig.producer.end(wire::Status::kOk);
  CHECK(readable(rig.producer.pipe()));
  CHECK(rig.reader.arm() == VMMC_PENDING);
  CHECK(next(rig.reader) == VMMC_END);
}

TEST_CASE("a byte from nowhere ends one sleep, and not those that follow") {
  Rig rig;
  REQUIRE(next(rig.reader, 1'000'000) == VMMC_ERR_TIMEOUT);
  std::uint64_t before = rig.reader.sleeps();
  rig.producer.ring_for_nothing();
  // The time of a wait may be over before it has slept, or before it has read the byte.
  const auto wait_until_it_is_read = [&] {
    do {
      CHECK(next(rig.reader, 20'000'000) == VMMC_ERR_TIMEOUT);
      REQUIRE(rig.reader.sleeps() - before <= 3);
    } while (readable(rig.producer.pipe()));
  };
  wait_until_it_is_read();
  // One that was armed for somebody who polls: its byte is not taken for the next one's.
  CHECK(rig.reader.arm() == VMMC_OK);
  publish(rig.producer, 1);
  expect_frames(rig.reader, 1);
  before = rig.reader.sleeps();
  wait_until_it_is_read();
}

TEST_CASE("whole blocks are taken and given back in any order") {
  Rig rig(4);
  publish(rig.producer, 4 * kFramesOfBlock);
  rig.producer.close_block();
  RingReader::Taken taken[4];
  for (RingReader::Taken& one : taken) {
    REQUIRE(rig.reader.take(&one, 0) == VMMC_OK);
    CHECK(one.frames == kFramesOfBlock);
    CHECK_FALSE(one.again);
  }
  CHECK(rig.reader.take(&taken[0], 0) == VMMC_ERR_TIMEOUT);
  for (const int i : {2, 0, 3, 1}) {
    CHECK(rig.reader.give_back_part(taken[i].index) == VMMC_OK);
    CHECK(rig.reader.give_back_part(taken[i].index) == VMMC_ERR_NOT_HELD);
  }
  REQUIRE(rig.producer.take_back());
  CHECK(rig.producer.held() == 0);
  CHECK(rig.reader.give_back_part(99) == VMMC_ERR_NOT_HELD);
}

TEST_CASE("parts of an open block: it goes back when all of them have come back and it is closed") {
  Rig rig;
  RingReader::Taken first{}, second{};
  publish(rig.producer, 2);
  REQUIRE(rig.reader.take(&first, 1000) == VMMC_OK);
  CHECK(first.frames == 2);
  publish(rig.producer, 3, 2);
  rig.producer.close_block();
  REQUIRE(rig.reader.take(&second, VMMC_FOREVER) == VMMC_OK);
  CHECK(second.frames == 3);
  CHECK(second.index == first.index);
  CHECK(rig.reader.give_back_part(first.index) == VMMC_OK);
  REQUIRE(rig.producer.take_back());
  CHECK(rig.producer.held() == 1);
  CHECK(rig.reader.give_back_part(second.index) == VMMC_OK);
  REQUIRE(rig.producer.take_back());
  CHECK(rig.producer.held() == 0);
}

TEST_CASE("what fetching a frame costs") {
  RingProducer producer(64, 256 * 1024);
  RingReader reader(producer.memory(), producer.pipe(), producer);
  const auto data = frame_of(64, 1);
  std::uint64_t frames = 0;
  std::uint64_t sum = 0;
  std::uint64_t spent = 0;
  for (int round = 0; round < 20; ++round) {
    while (producer.publish(data)) {
    }
    timespec before{}, after{};
    ::clock_gettime(CLOCK_MONOTONIC, &before);
    const wire::FrameHeader* frame = nullptr;
    while (reader.next(&frame, 0) == VMMC_OK) {
      sum += static_cast<std::uint64_t>(*reinterpret_cast<const unsigned char*>(frame + 1));
      ++frames;
    }
    ::clock_gettime(CLOCK_MONOTONIC, &after);
    spent += static_cast<std::uint64_t>((after.tv_sec - before.tv_sec) * 1'000'000'000 +
                                        (after.tv_nsec - before.tv_nsec));
  }
  CHECK(sum == frames);
  const double each = static_cast<double>(spent) / static_cast<double>(frames);
  MESSAGE(each << " ns a frame of 64 bytes");
}
