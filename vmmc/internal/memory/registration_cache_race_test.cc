// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The registration cache under several threads. A transfer is played by one that names a segment
// under a lock, as the send queue's, and reads there what nicsim would.

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "vmmc/internal/memory/registration_cache_fixture.h"

namespace vmmc::internal {
namespace {

struct RaceFixture {
  TestPages pages{6 * kChunkPages};
  RacingRegistrar nicsim;
  SharedSegments shared{nicsim};
  RegistrationCache cache{shared};

  ~RaceFixture() { cache.release_all(); }

  std::byte* chunk(std::size_t number) const { return pages.data() + number * kChunk; }

  // Stores to a word and sends it. True: in place.
  bool send(std::size_t word, std::uint64_t value) {
    pages.word(word) = value;
    const std::lock_guard lock(nicsim.queue);
    const auto part = shared.find_prefix(const_cast<std::uint64_t*>(&pages.word(word)), 8);
    if (!part) return false;
    std::uint64_t seen = 0;
    const volatile std::byte* from = &nicsim.at(part->start);
    seen = *reinterpret_cast<const volatile std::uint64_t*>(from);
    must(seen == value, "a transfer in place reads what was stored before");
    return true;
  }
};

class Threads {
 public:
  ~Threads() { join(); }
  void run(std::function<void()> code) { threads_.emplace_back(std::move(code)); }
  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

TEST_CASE_FIXTURE(RaceFixture, "transfers in place see every store while chunks come and go") {
  const Watchdog watchdog;
  REQUIRE(cache.add(pages.data(), pages.bytes()) == VMMC_OK);
  cache.set_limit(2 * kChunk);
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> in_place{0};
  Threads threads;
  for (std::size_t lane = 0; lane < 2; ++lane) {
    threads.run([&, lane] {
      std::mt19937 random(static_cast<std::uint32_t>(lane));
      for (std::uint64_t value = 1; !done || in_place < 2; ++value) {
        const std::size_t word = random() % (pages.words() / 2) * 2 + lane;
        cache.prepare(const_cast<std::uint64_t*>(&pages.word(word)), 8);
        if (send(word, value)) ++in_place;
      }
    });
  }
  for (std::size_t round = 0; round < 60 || cache.counters().evictions < 20; ++round)
    cache.set_limit(round % 3 * kChunk);
  cache.set_limit(2 * kChunk);
  done = true;
  threads.join();
  CHECK(cache.counters().pinned_bytes <= 2 * kChunk);
}

TEST_CASE_FIXTURE(RaceFixture, "hits need no lock: they go on while a miss is held up") {
  const Watchdog watchdog;
  REQUIRE(cache.add(pages.data(), pages.bytes()) == VMMC_OK);
  REQUIRE(cache.prepare(chunk(0), kChunk));
  std::unique_lock held(nicsim.queue);  // whoever registers a segment waits
  Threads threads;
  std::atomic<bool> pinned{false};
  threads.run([&] { pinned = cache.prepare(chunk(1), kChunk); });
  while (cache.counters().misses < 2) std::this_thread::yield();
  for (int i = 0; i < 1000; ++i) must(cache.prepare(chunk(0), kChunk), "the chunk stands");
  CHECK_FALSE(pinned);
  held.unlock();
  threads.join();
  CHECK(pinned);
  CHECK(cache.counters().hits == 1000);
  CHECK(cache.counters().misses == 2);
}

TEST_CASE_FIXTURE(RaceFixture, "no store is lost while its page is pinned and unpinned") {
  const Watchdog watchdog;
  REQUIRE(cache.add(pages.data(), pages.bytes()) == VMMC_OK);
  cache.set_limit(kChunk);
  std::atomic<bool> done{false};
  Threads threads;
  std::uint64_t rounds[2] = {0, 0};
  for (std::size_t lane = 0; lane < 2; ++lane) {
    threads.run([&, lane] {
      while (!done) {
        for (std::size_t word = lane; word < 2 * kChunk / 8; word += 64)
          pages.word(word) = pages.word(word) + 1;
        ++rounds[lane];
      }
    });
  }
  for (std::size_t i = 0; i < 40; ++i) CHECK(cache.prepare(chunk(i % 2), kChunk));
  done = true;
  threads.join();
  CHECK(cache.counters().evictions == 39);
  std::size_t wrong = 0;
  for (std::size_t word = 0; word < 2 * kChunk / 8; ++word) {
    const std::uint64_t added = word % 64 < 2 ? rounds[word % 64] : 0;
    if (pages.word(word) != TestPages::pattern(word) + added) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE_FIXTURE(RaceFixture, "regions come and go under transfers from them") {
  const Watchdog watchdog;
  std::atomic<bool> done{false};
  Threads threads;
  threads.run([&] {
    for (std::uint64_t value = 1; !done; ++value) {
      cache.prepare(chunk(value % 3), kChunk);
      send(value % 3 * kChunk / 8, value);
    }
  });
  for (int round = 0; round < 100; ++round) {
    must(cache.add(chunk(0), 2 * kChunk) == VMMC_OK, "a region can be added");
    must(cache.add(chunk(2), kChunk) == VMMC_OK, "and another");
    cache.prepare(chunk(2), 1);
    must(cache.remove(chunk(0)) == VMMC_OK && cache.remove(chunk(2)) == VMMC_OK, "and removed");
  }
  done = true;
  threads.join();
  CHECK(cache.counters().pinned_bytes == 0);
  CHECK(nicsim.segments.empty());
}

TEST_CASE_FIXTURE(RaceFixture, "a fork among misses leaves the child private memory") {
  const Watchdog watchdog;
  REQUIRE(cache.add(pages.data(), pages.bytes()) == VMMC_OK);
  cache.set_limit(kChunk);
  std::atomic<bool> done{false};
  Threads threads;
  threads.run([&] {
    for (std::size_t i = 0; !done; ++i) cache.prepare(chunk(i % 6), kChunk);
  });
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t misses = cache.counters().misses;
    while (cache.counters().misses < misses + 2) std::this_thread::yield();
    cache.before_fork();
    shared.before_fork();
    const int status = run_in_child([&] {
      shared.make_private_after_fork();
      cache.after_fork();
      for (std::size_t i = 0; i < 6; ++i) {
        if (is_shared(chunk(i))) return 1;
      }
      return pages.holds_pattern() ? 0 : 2;
    });
    shared.after_fork_in_parent();
    cache.after_fork();
    REQUIRE(ended_with(status, 0));
  }
  done = true;
  threads.join();
  CHECK(pages.holds_pattern());
}

}  // namespace
}  // namespace vmmc::internal
