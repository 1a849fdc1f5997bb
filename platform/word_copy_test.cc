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

#include "platform/copy_facts.h"

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

#if defined(__x86_64__)

// The rules that a processor without one or the other facility has, and small lengths for ways that
// otherwise need long copies. Puts back what was.
class OtherRules {
 public:
  explicit OtherRules(const CopyRules& rules) : before_(copy_rules) { copy_rules = rules; }
  ~OtherRules() { copy_rules = before_; }
  OtherRules(const OtherRules&) = delete;
  OtherRules& operator=(const OtherRules&) = delete;

 private:
  const CopyRules before_;
};

// Those that this processor can follow; each way at lengths that take no time.
std::vector<CopyRules> all_rules() {
  CopyRules string;
  string.string_from = 256;
  CopyRules stream;
  stream.stream_from = 256;
  CopyRules aliased = string;
  aliased.aliased_stream_from = 300;
  std::vector<CopyRules> all{CopyRules{}, string, stream, aliased, copy_rules};
  if (read_copy_facts().wide_vectors) all.push_back({.wide_from = 64});
  return all;
}

TEST_CASE("each way copies the same") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  Random random(seed);
  Copier copier(random, 1200);
  for (const CopyRules& rules : all_rules()) {
    const OtherRules other(rules);
    for (std::size_t to = 0; to < 64; ++to) {
      for (std::size_t length = 240; length <= 1200; length += 1 + random() % 16) {
        const std::size_t from = random() % 64;
        if (copier.copies(to, from, length)) continue;
        FAIL("to " << to << ", from " << from << ", " << length << " bytes");
      }
    }
  }
}

TEST_CASE("around each length where the way changes") {
  std::vector<std::size_t> changes{64, 128, 256};
  for (const std::size_t from : {copy_rules.wide_from, copy_rules.string_from,
                                 copy_rules.stream_from, copy_rules.aliased_stream_from}) {
    if (from <= 64 << 20) changes.push_back(from);
  }
  Random random(1);
  Copier copier(random, *std::max_element(changes.begin(), changes.end()) + 16);
  for (const std::size_t change : changes) {
    for (const std::size_t to : {0, 1, 8, 24, 63}) {
      for (std::size_t length = change - 9; length <= change + 9; ++length) {
        for (const std::size_t from : {std::size_t{0}, to, to + 1}) {
          if (copier.copies(to, from, length)) continue;
          FAIL("to " << to << ", from " << from << ", " << length << " bytes");
        }
      }
    }
  }
}

#endif

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

#if defined(__x86_64__)

TEST_CASE("another thread never sees half of an aligned word: each way") {
  ::alarm(120);
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  Random random(seed);
  std::vector<std::byte> room(8192 + 256);
  for (const CopyRules& rules : all_rules()) {
    const OtherRules other(rules);
    const std::size_t length = 256 + random() % 2048;
    const std::size_t to = random() % 64;
    const std::size_t from = random() % 64;
    CAPTURE(length);
    CAPTURE(to);
    CAPTURE(from);
    std::fill(room.begin(), room.end(), std::byte{0});
    check_words_stay_whole({place(room, to), length}, from);
  }
  ::alarm(0);
}

#endif

// One thread copies a message, then stores its number; what the other reads after it has seen the
// number is at least that new. Its lines are in the reader's
// cache when the next copy begins.
void check_order(std::byte* destination, std::size_t length, std::size_t source_offset) {
  constexpr std::uint64_t kMessages = 300;
  std::atomic<std::uint64_t> number = 0;
  std::atomic<std::uint64_t> seen = 0;
  std::thread writer([&] {
    std::vector<std::byte> room(length + 128);
    std::byte* const source = place(room, source_offset);
    for (std::uint64_t message = 1; message <= kMessages; ++message) {
      std::memset(source, static_cast<int>(message & 0xff), length);
      copy_words(destination, source, length);
      number.store(message, std::memory_order_relaxed);
      while (seen.load(std::memory_order_acquire) != message) {
      }
    }
  });
  std::uint64_t late = 0;
  for (std::uint64_t message = 1; message <= kMessages; ++message) {
    while (number.load(std::memory_order_relaxed) != message) {
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    // The last lines first: they are the ones most likely to be late.
    for (std::size_t i = length / 8; i-- > 0;) {
      const auto word =
          std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(destination + 8 * i))
              .load(std::memory_order_relaxed);
      if (word != (message & 0xff) * (~std::uint64_t{0} / 0xff)) ++late;
    }
    seen.store(message, std::memory_order_release);
  }
  writer.join();
  CHECK(late == 0);
}

TEST_CASE("whoever sees a store behind a copy sees the copy") {
  ::alarm(120);
  std::vector<std::byte> room(65536 + 256);
  std::byte* const to = place(room, 8);
  for (const std::size_t length : {24, 200, 1024, 4096, 65536}) check_order(to, length, 8);
#if defined(__x86_64__)
  for (const CopyRules& rules : all_rules()) {
    const OtherRules other(rules);
    check_order(to, 4096, 0);
  }
#endif
  ::alarm(0);
}

}  // namespace
}  // namespace vmmc::platform
