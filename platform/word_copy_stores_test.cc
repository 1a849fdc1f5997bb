// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Looks at the destination after every single instruction of a copy (the processor's trap flag), so
// that what a concurrent reader sees only with luck is seen each time: a word stored in parts, or a
// byte stored twice.

#include <doctest/doctest.h>

#include "platform/word_copy.h"

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)

#include <signal.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "platform/copy_facts.h"

namespace vmmc::platform {
namespace {

constexpr std::uint64_t kTrapFlag = 0x100;
constexpr std::size_t kLongest = 4096;
constexpr std::byte kOld{0};  // the source holds no such byte

// What the handler looks at.
alignas(64) std::array<std::byte, kLongest + 64> room;
std::byte* volatile destination = nullptr;
volatile std::size_t bytes = 0;
std::array<unsigned, kLongest> stores;  // of each byte
volatile bool torn = false;

// Whether the aligned words of this size that lie inside are all wholly old or wholly new.
bool words_are_whole(const std::byte* begin, std::size_t length, std::size_t size) {
  const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(begin) % size;
  for (std::size_t i = misaligned == 0 ? 0 : size - misaligned; i + size <= length; i += size) {
    std::size_t old = 0;
    for (std::size_t k = i; k < i + size; ++k) old += begin[k] == kOld ? 1 : 0;
    if (old != 0 && old != size) return false;
  }
  return true;
}

// Counts what the last instruction stored, and makes it old again: the reader that resets a flag.
void after_an_instruction(int) {
  std::byte* const begin = destination;
  const std::size_t length = bytes;
  if (!words_are_whole(begin, length, 4) || !words_are_whole(begin, length, 8)) torn = true;
  for (std::size_t i = 0; i < length; ++i) {
    if (begin[i] == kOld) continue;
    ++stores[i];
    begin[i] = kOld;
  }
}

void copy_in_single_steps(std::byte* to, const std::byte* from, std::size_t length) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = after_an_instruction;
  REQUIRE(::sigaction(SIGTRAP, &action, &before) == 0);
  destination = to;
  bytes = length;
  stores.fill(0);
  torn = false;
  __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | kTrapFlag);
  copy_words(to, from, length);
  __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~kTrapFlag);
  ::sigaction(SIGTRAP, &before, nullptr);
}

void check_copy(std::size_t to, std::size_t from, std::size_t length) {
  static std::array<std::byte, kLongest + 64> source;
  source.fill(std::byte{0x5a});
  room.fill(kOld);
  copy_in_single_steps(room.data() + to, source.data() + from, length);
  CAPTURE(to);
  CAPTURE(from);
  CAPTURE(length);
  CHECK_FALSE(torn);
  for (std::size_t i = 0; i < length; ++i) {
    if (stores[i] == 1) continue;
    FAIL("byte " << i << " was stored " << stores[i] << " times");
  }
}

TEST_CASE("aligned words are stored whole and no byte is stored twice: short copies") {
  for (std::size_t to = 0; to < 8; ++to) {
    for (std::size_t length = 0; length <= 270; ++length) check_copy(to, (to * 5 + 3) % 16, length);
  }
}

void check_long_copies(std::initializer_list<std::size_t> lengths) {
  for (std::size_t to = 0; to < 8; ++to) {
    for (const std::size_t length : lengths) {
      check_copy(to, 0, length);
      check_copy(to, 3, length);
    }
  }
}

TEST_CASE("aligned words are stored whole and no byte is stored twice: long copies") {
  check_long_copies({255, 256, 300, 1023, 2047, 2303, 2304, 2312, 2319, 4096});
}

TEST_CASE("aligned words are stored whole and no byte is stored twice: every other way") {
  const CopyRules before = copy_rules;
  std::vector<CopyRules> all(3);
  all[1].string_from = 256;
  all[2].stream_from = 256;
  if (read_copy_facts().wide_vectors) all.push_back({.wide_from = 64});
  for (const CopyRules& rules : all) {
    copy_rules = rules;
    check_long_copies({255, 256, 300, 643, 1023});
  }
  copy_rules = before;
}

}  // namespace
}  // namespace vmmc::platform

#else

TEST_CASE("aligned words are stored whole and no byte is stored twice") {
  MESSAGE("skipped: needs x86-64's trap flag, and a copy that no sanitizer has changed");
}

#endif
