// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Producer and consumer as two threads: sleeping and waking on both sides.

#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

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

constexpr std::uint64_t kFrames = 60'000;

unsigned seed() {
  const unsigned seed = std::random_device()();
  MESSAGE("seed " << seed);
  return seed;
}

// Every byte says which frame it belongs to.
std::vector<std::byte> content(std::uint64_t number) {
  return std::vector<std::byte>(static_cast<std::size_t>(number % 200 + 8),
                                std::byte{static_cast<unsigned char>(number % 251)});
}

bool is_content(const wire::FrameHeader* frame, std::uint64_t number) {
  const auto expected = content(number);
  return frame->time == number && frame->captured == expected.size() &&
         std::memcmp(frame + 1, expected.data(), expected.size()) == 0;
}

// Now and then it pauses long enough for the consumer to fall asleep.
void produce(RingProducer& producer, unsigned seed, bool* delivered) {
  std::mt19937 random(seed);
  *delivered = true;
  for (std::uint64_t number = 0; number < kFrames && *delivered; ++number) {
    *delivered = producer.publish_waiting(content(number));
    const unsigned chance = random() % 2000;
    if (chance == 0) ::usleep(300);
    if (chance < 20) producer.close_block();
  }
  producer.end(wire::Status::kOk);
}

struct Rig {
  Rig() : producer(8, 4096) { ::alarm(50); }
  ~Rig() { ::alarm(0); }
  RingProducer producer;
  RingReader reader{producer.memory(), producer.pipe(), producer};
};

}  // namespace

TEST_CASE("all frames in order, whoever sleeps") {
  Rig rig;
  const unsigned chosen = seed();
  bool delivered = false;
  std::thread producer([&] { produce(rig.producer, chosen, &delivered); });
  std::mt19937 random(chosen + 1);
  std::uint64_t number = 0;
  bool sound = true;
  const wire::FrameHeader* frame = nullptr;
  int status = VMMC_OK;
  while ((status = rig.reader.next(&frame, VMMC_FOREVER)) == VMMC_OK) {
    sound = sound && is_content(frame, number++);
    if (random() % 5000 == 0) ::usleep(1000);  // nicsim falls asleep
  }
  producer.join();
  CHECK(status == VMMC_END);
  CHECK(delivered);
  CHECK(sound);
  CHECK(number == kFrames);
  CHECK(rig.reader.sleeps() > 0);
}

TEST_CASE("blocks that are kept and given back in random order") {
  Rig rig;
  const unsigned chosen = seed();
  bool delivered = false;
  std::thread producer([&] { produce(rig.producer, chosen, &delivered); });
  std::mt19937 random(chosen + 1);
  std::vector<std::uint32_t> kept;
  std::uint64_t number = 0;
  bool sound = true;
  RingReader::Taken taken{};
  int status = VMMC_OK;
  while ((status = rig.reader.take(&taken, 200'000)) == VMMC_OK || status == VMMC_ERR_TIMEOUT) {
    if (status == VMMC_OK) {
      for (const std::byte* at = taken.first; at != taken.end;
           at += RingReader::bytes_of_frame(at, taken.end)) {
        sound = sound && is_content(reinterpret_cast<const wire::FrameHeader*>(at), number++);
      }
      kept.push_back(taken.index);
    }
    while (kept.size() > random() % 7) {
      const std::size_t chosen_one = random() % kept.size();
      sound = sound && rig.reader.give_back_part(kept[chosen_one]) == VMMC_OK;
      kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(chosen_one));
    }
  }
  producer.join();
  for (const std::uint32_t index : kept) CHECK(rig.reader.give_back_part(index) == VMMC_OK);
  CHECK(status == VMMC_END);
  CHECK(delivered);
  CHECK(sound);
  CHECK(number == kFrames);
  CHECK(rig.producer.take_back());
  CHECK(rig.producer.held() == 0);
}

TEST_CASE("a program that waits by poll alone") {
  Rig rig;
  const unsigned chosen = seed();
  bool delivered = false;
  std::thread producer([&] { produce(rig.producer, chosen, &delivered); });
  std::uint64_t number = 0;
  bool sound = true;
  const wire::FrameHeader* frame = nullptr;
  int status = VMMC_OK;
  while (status != VMMC_END && sound) {
    while ((status = rig.reader.next(&frame, 0)) == VMMC_OK) {
      sound = sound && is_content(frame, number++);
    }
    if (rig.reader.arm() != VMMC_OK) continue;
    pollfd pipe{rig.producer.pipe(), POLLIN, 0};
    sound = sound && ::poll(&pipe, 1, 20'000) == 1;
  }
  producer.join();
  CHECK(delivered);
  CHECK(sound);
  CHECK(number == kFrames);
}
