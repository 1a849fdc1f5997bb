// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/word_copy.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <random>
#include <thread>
#include <vector>

namespace vmmc::platform {
namespace {

constexpr std::size_t kAlignments = 16;
constexpr std::size_t kGuard = 32;  // bytes before and after the destination

using Random = std::mt19937_64;

std::vector<std::byte> random_bytes(Random& random, std::size_t count) {
  std::vector<std::byte> bytes(count);
  std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<std::byte>(random()); });
  return bytes;
}

// The first address in the room that is `offset` beyond a multiple of 64.
std::byte* place(std::vector<std::byte>& room, std::size_t offset) {
  const auto address = reinterpret_cast<std::uintptr_t>(room.data());
  return room.data() + (64 - address % 64) % 64 + offset;
}

// Copies between places of random content; the rest of the destination's room stays as it was.
class Copier {
 public:
  Copier(Random& random, std::size_t longest)
      : source_(random_bytes(random, longest + 256)),
        room_(random_bytes(random, longest + 256)),
        before_(room_) {}

  bool copies(std::size_t destination_offset, std::size_t source_offset, std::size_t length) {
    return copies(copy_words, destination_offset, source_offset, length) &&
           copies(read_words, destination_offset, source_offset, length);
  }

 private:
  using Copy = void (*)(std::byte* destination, const std::byte* source, std::size_t length);

  bool copies(Copy copy, std::size_t destination_offset, std::size_t source_offset,
              std::size_t length) {
    std::byte* const destination = place(room_, kGuard + destination_offset);
    const std::byte* const source = place(source_, source_offset);
    const std::size_t begin = static_cast<std::size_t>(destination - room_.data());
    copy(destination, source, length);
    const bool right =
        std::equal(destination, destination + length, source) &&
        std::equal(destination - kGuard, destination, before_.data() + begin - kGuard) &&
        std::equal(destination + length, destination + length + kGuard,
                   before_.data() + begin + length);
    std::copy_n(before_.data() + begin - kGuard, length + 2 * kGuard, destination - kGuard);
    return right;
  }

  std::vector<std::byte> source_;
  std::vector<std::byte> room_;
  const std::vector<std::byte> before_;
};

TEST_CASE("every alignment and every short length") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  Random random(seed);
  Copier copier(random, 300);
  for (std::size_t to = 0; to < kAlignments; ++to) {
    for (std::size_t from = 0; from < kAlignments; ++from) {
      for (std::size_t length = 0; length <= 300; ++length) {
        if (copier.copies(to, from, length)) continue;
        FAIL("to " << to << ", from " << from << ", " << length << " bytes");
      }
    }
  }
}

TEST_CASE("long lengths") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  Random random(seed);
  constexpr std::size_t kLongest = 1 << 20;
  Copier copier(random, kLongest);
  for (int i = 0; i < 400; ++i) {
    // As many between 512 and 1024 bytes as between half a megabyte and one.
    const std::size_t upper = kLongest >> (random() % 11);
    const std::size_t length = upper / 2 + random() % (upper / 2 + 1);
    const std::size_t to = random() % kAlignments;
    const std::size_t from = random() % kAlignments;
    if (!copier.copies(to, from, length)) {
      FAIL("to " << to << ", from " << from << ", " << length << " bytes");
    }
  }
}

// Part of a shared room; what a reader may ask of it.
struct Range {
  std::byte* begin;
  std::size_t length;

  // Looks at each aligned word inside; false if one holds two different bytes.
  template <typename Word>
  bool words_are_whole() const {
    const auto first = reinterpret_cast<std::uintptr_t>(begin);
    const std::uintptr_t end = first + length;
    std::uintptr_t at = (first + sizeof(Word) - 1) / sizeof(Word) * sizeof(Word);
    for (; at + sizeof(Word) <= end; at += sizeof(Word)) {
      const Word word =
          std::atomic_ref<Word>(*reinterpret_cast<Word*>(at)).load(std::memory_order_relaxed);
      if (word != static_cast<Word>(word & 0xff) * (~Word{0} / 0xff)) return false;
    }
    return true;
  }
};

// Each copy's bytes are all the same, each next copy's are others.
void check_words_stay_whole(Range range, std::size_t source_offset) {
  constexpr std::size_t kCopies = 2000;
  constexpr std::size_t kLooks = 200;
  std::atomic<std::size_t> copies = 0;
  std::atomic<bool> done = false;
  std::thread writer([&] {
    std::vector<std::byte> room(range.length + 128);
    std::byte* const source = place(room, source_offset);
    while (!done.load(std::memory_order_relaxed)) {
      const std::size_t copy = copies.fetch_add(1, std::memory_order_relaxed);
      std::memset(source, static_cast<int>(copy & 0xff), range.length);
      copy_words(range.begin, source, range.length);
    }
  });
  bool whole = true;
  for (std::size_t looks = 0; whole && (looks < kLooks || copies.load() < kCopies); ++looks) {
    whole = range.words_are_whole<std::uint32_t>() && range.words_are_whole<std::uint64_t>();
  }
  done = true;
  writer.join();
  CHECK(whole);
}

// Under TSan too: both sides are atomic, and the copy uses words only there.
TEST_CASE("another thread never sees half of an aligned word") {
  ::alarm(120);
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  Random random(seed);
  std::vector<std::byte> room(8192 + 256);
  for (const std::size_t length : {4, 8, 12, 31, 64, 100, 1000, 2047, 2100, 8192}) {
    for (int i = 0; i < 4; ++i) {
      // Words of 4 and 8 bytes must lie inside: the shortest ones begin at their alignment.
      const std::size_t to = length <= 8 ? length * (random() % 2) : random() % kAlignments;
      const std::size_t from = random() % kAlignments;
      CAPTURE(length);
      CAPTURE(to);
      CAPTURE(from);
      std::fill(room.begin(), room.end(), std::byte{0});
      check_words_stay_whole({place(room, to), length}, from);
    }
  }
  ::alarm(0);
}

}  // namespace
}  // namespace vmmc::platform
