// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/membarrier.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>

using namespace vmmc::platform;

namespace {

std::atomic<std::uint32_t> mine{0};
std::atomic<std::uint32_t> yours{0};
std::atomic<std::uint32_t> round_of_usual_side{0};
std::atomic<std::uint32_t> round_of_rare_side{0};

// Both may be on one core: whoever looks in vain for long lets the other one have it.
void await(const std::atomic<std::uint32_t>& side, std::uint32_t round) {
  for (int looks = 0; side.load(std::memory_order_acquire) != round; ++looks) {
    if (looks > 10'000) std::this_thread::yield();
  }
}

}  // namespace

TEST_CASE("a process can be registered, more than once, and errno is left alone") {
  errno = EDOM;
  CHECK(register_for_membarriers());
  CHECK(register_for_membarriers());
  fence_process();
  fence_all_processes();
  CHECK(errno == EDOM);
}

TEST_CASE("of two sides that store and then look, at least one sees the other's store") {
  ::alarm(60);
  REQUIRE(register_for_membarriers());
  constexpr std::uint32_t kRounds = 20'000;
  std::uint32_t usual_saw = 0;
  std::uint32_t neither = 0;
  std::thread usual([&] {
    for (std::uint32_t round = 1; round <= kRounds; ++round) {
      await(round_of_rare_side, round);
      mine.store(round, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);
      usual_saw = yours.load(std::memory_order_relaxed);
      round_of_usual_side.store(round, std::memory_order_release);
    }
  });
  for (std::uint32_t round = 1; round <= kRounds; ++round) {
    round_of_rare_side.store(round, std::memory_order_release);
    yours.store(round, std::memory_order_relaxed);
    round % 2 == 0 ? fence_process() : fence_all_processes();
    const bool rare_saw = mine.load(std::memory_order_relaxed) == round;
    await(round_of_usual_side, round);
    neither += !rare_saw && usual_saw != round;
  }
  usual.join();
  CHECK(neither == 0);
}
