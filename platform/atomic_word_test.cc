// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/atomic_word.h"

#include <doctest/doctest.h>

#include <cstring>
#include <thread>
#include <vector>

namespace vmmc::platform {
namespace {

// Two words; an operation of 4 bytes must leave the second alone.
struct alignas(8) Pair {
  std::uint32_t word;
  std::uint32_t neighbour;
};

std::uint64_t change(Pair& pair, const WordOperands& operands) {
  return change_word(reinterpret_cast<std::byte*>(&pair), operands);
}

std::uint64_t whole(const Pair& pair) {
  std::uint64_t both = 0;
  std::memcpy(&both, &pair, sizeof both);
  return both;
}

TEST_CASE("each change does what it says and returns the word before") {
  Pair pair{7, 9};
  CHECK(change(pair, {WordChange::kAdd, 4, 5, 0}) == 7);
  CHECK(pair.word == 12);
  CHECK(change(pair, {WordChange::kSwap, 4, 1, 0}) == 12);
  CHECK(change(pair, {WordChange::kCompareSwap, 4, 3, 2}) == 1);
  CHECK(pair.word == 1);
  CHECK(change(pair, {WordChange::kCompareSwap, 4, 3, 1}) == 1);
  CHECK(pair.word == 3);
  CHECK(pair.neighbour == 9);
}

TEST_CASE("four bytes wrap around within themselves, eight carry over") {
  Pair pair{UINT32_MAX, 0};
  CHECK(change(pair, {WordChange::kAdd, 4, 1, 0}) == UINT32_MAX);
  CHECK(whole(pair) == 0);
  pair = {UINT32_MAX, 0};
  CHECK(change(pair, {WordChange::kAdd, 8, 1, 0}) == UINT32_MAX);
  CHECK(whole(pair) == std::uint64_t{1} << 32);
}

TEST_CASE("no change is lost among threads") {
  alignas(8) std::uint64_t word = 0;
  constexpr int kThreads = 4;
  constexpr int kTimes = 20'000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kTimes; ++n) {
        change_word(reinterpret_cast<std::byte*>(&word), {WordChange::kAdd, 8, 1, 0});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(word == std::uint64_t{kThreads} * kTimes);
}

}  // namespace
}  // namespace vmmc::platform
