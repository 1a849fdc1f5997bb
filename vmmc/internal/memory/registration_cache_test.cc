// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/registration_cache.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <csignal>
#include <string>

#include "tests/support/faults/failing_system_calls.h"
#include "vmmc/internal/error.h"
#include "vmmc/internal/memory/registration_cache_fixture.h"

namespace vmmc::internal {
namespace {

TEST_CASE_FIXTURE(CacheFixture, "registration pins nothing; the first transfer does, others hit") {
  REQUIRE(add(0, 2 * kChunk));
  CHECK(picture() == "......");
  CHECK(nicsim.segments.empty());
  CHECK(prepare(kChunk + 100, kChunk / 2));
  CHECK(picture() == ".#....");
  CHECK(is_shared(chunk(1)));
  CHECK_FALSE(is_shared(chunk(1) - 1));
  CHECK(cache.counters().misses == 1);
  CHECK(cache.counters().hits == 0);
  CHECK(cache.counters().pinned_bytes == kChunk);
  const tests::FailingSystemCalls counted;
  CHECK(prepare(kChunk, kChunk));
  CHECK(counted.calls() == 0);
  CHECK(cache.counters().hits == 1);
  CHECK(prepare(kChunk - 1, 2));
  CHECK(picture() == "##....");
  CHECK(cache.counters().misses == 2);
  CHECK(nicsim.segments.size() == 2);
  CHECK(pages.holds_pattern());
  CHECK(cache.remove(chunk(0)) == VMMC_OK);
  CHECK(picture() == "......");
  CHECK(nicsim.segments.empty());
  CHECK(cache.counters().pinned_bytes == 0);
  CHECK(cache.counters().evictions == 0);
  CHECK(pages.holds_pattern());
}

TEST_CASE_FIXTURE(CacheFixture, "what cannot be registered is refused with a reason") {
  REQUIRE(add(kChunk, kChunk));
  auto refused = [this](const void* address, std::size_t length, const char* why) {
    const int status = cache.add(address, length);
    CAPTURE(last_error());
    CHECK(std::string(last_error()).find(why) != std::string::npos);
    return status;
  };
  CHECK(refused(nullptr, 1, "null pointer") == VMMC_ERR_INVALID_ARGUMENT);
  CHECK(refused(chunk(0), 0, "zero bytes") == VMMC_ERR_ZERO_LENGTH);
  CHECK(refused(chunk(0), SIZE_MAX, "past the end") == VMMC_ERR_LENGTH_OVERFLOW);
  CHECK(refused(chunk(0), kChunk + 1, "overlap a region of 1048576 bytes") == VMMC_ERR_OVERLAP);
  CHECK(refused(chunk(2) - 1, 1, "overlap") == VMMC_ERR_OVERLAP);
  CHECK(refused(chunk(0), PTRDIFF_MAX, "overlap") == VMMC_ERR_OVERLAP);
  CHECK(refused(chunk(2), PTRDIFF_MAX, "no program") == VMMC_ERR_BAD_MEMORY);
  CHECK(refused(chunk(6) - 1, 2, "is not mapped") == VMMC_ERR_BAD_MEMORY);
  const char on_stack = 0;
  CHECK(refused(&on_stack, 1, "stack") == VMMC_ERR_BAD_MEMORY);
  CHECK(cache.remove(chunk(1) + 1) == VMMC_ERR_UNKNOWN_REGISTRATION);
  CHECK(std::string(last_error()).find("no region was registered from") != std::string::npos);
  CHECK(cache.remove(nullptr) == VMMC_ERR_UNKNOWN_REGISTRATION);
  CHECK(add(0, kChunk));
  CHECK(add(2 * kChunk, 1));
  CHECK(cache.remove(chunk(1)) == VMMC_OK);
  CHECK(cache.remove(chunk(1)) == VMMC_ERR_UNKNOWN_REGISTRATION);
  CHECK(add(kChunk, kChunk));
}

TEST_CASE_FIXTURE(CacheFixture, "memory in no region is only looked at") {
  REQUIRE(add(kChunk, kChunk));
  CHECK_FALSE(prepare(0, kChunk));
  CHECK_FALSE(prepare(0, 2 * kChunk));  // begins outside
  CHECK_FALSE(cache.prepare(nullptr, 8));
  CHECK(picture() == "......");
  CHECK(cache.counters().hits + cache.counters().misses == 0);
  const auto allocation = shared.allocate(kChunk);
  REQUIRE(allocation.verdict.ok());
  CHECK(cache.prepare(allocation.memory, kChunk));
  CHECK_FALSE(prepare(2 * kChunk - 8, 9));  // runs on outside
  CHECK(picture() == ".#....");
  CHECK_FALSE(prepare(2 * kChunk - 8, 9));
  CHECK(cache.counters().hits == 1);
}

TEST_CASE_FIXTURE(CacheFixture,
                  "the last chunk takes what is left, if that is less than half a chunk") {
  REQUIRE(add(16, kChunk));  // a page more than a chunk, as from malloc
  CHECK(prepare(16, kChunk));
  CHECK(nicsim.segments.size() == 1);
  CHECK(cache.counters().pinned_bytes == kChunk + kPage);
  REQUIRE(add(2 * kChunk, kChunk + kChunk / 2));
  CHECK(prepare(3 * kChunk, 1));
  CHECK(cache.counters().pinned_bytes == kChunk + kPage + kChunk / 2);
}

TEST_CASE_FIXTURE(CacheFixture, "chunks leave in the order of their last use") {
  cache.set_limit(3 * kChunk);
  REQUIRE(add(0, 6 * kChunk));
  for (const std::size_t number : {2, 0, 1}) use(number);
  CHECK(picture() == "###...");
  use(2);
  use(3);  // 0 is the oldest
  CHECK(picture() == ".###..");
  use(1);
  CHECK(prepare(4 * kChunk, 2 * kChunk));  // 2 and 3 are older than 1
  CHECK(picture() == ".#..##");
  CHECK(cache.counters().evictions == 3);
  CHECK(cache.counters().pinned_bytes == 3 * kChunk);
  CHECK(nicsim.settled == 2);     // once for all that leaves together
  CHECK(prepare(0, 2 * kChunk));  // 1 is wanted itself
  CHECK(picture() == "##...#");
  CHECK(pages.holds_pattern());
}

TEST_CASE_FIXTURE(CacheFixture, "the limit is kept to the page") {
  REQUIRE(add(0, 6 * kChunk));
  cache.set_limit(2 * kChunk - 1);
  use(3);
  CHECK_FALSE(prepare(0, 2 * kChunk));
  CHECK_FALSE(prepare(kChunk - 1, 2));
  CHECK(picture() == "...#..");  // what can never fit drives nothing out
  CHECK(cache.counters().misses == 3);
  cache.set_limit(2 * kChunk);
  CHECK(prepare(kChunk - 1, 2));
  CHECK(picture() == "##....");
  cache.set_limit(2 * kChunk - 1);
  CHECK(picture() == ".#....");
  cache.set_limit(0);
  CHECK(picture() == "......");
  CHECK_FALSE(prepare(0, 1));
  CHECK(nicsim.segments.empty());
}

TEST_CASE_FIXTURE(CacheFixture, "pages that are shared already are not counted, nor released") {
  cache.set_limit(kChunk);
  REQUIRE(shared.cover(chunk(1), kChunk).verdict.ok());  // an export
  REQUIRE(add(0, 2 * kChunk));
  CHECK(prepare(kChunk, kChunk));
  CHECK(cache.counters().hits == 1);
  CHECK(cache.counters().pinned_bytes == 0);
  CHECK(prepare(kChunk - 8, 16));
  CHECK(cache.counters().pinned_bytes == kChunk);
  CHECK(cache.remove(chunk(0)) == VMMC_OK);
  CHECK(picture() == ".#....");

  REQUIRE(add(0, 2 * kChunk));
  use(1);
  shared.release(chunk(1), kChunk);  // the export ends, and the chunk is the cache's own
  CHECK(picture() == "......");
  use(1);
  CHECK(cache.counters().pinned_bytes == kChunk);
  REQUIRE(shared.cover(chunk(1), kPage).verdict.ok());  // exported after it was pinned
  cache.set_limit(0);
  CHECK(cache.counters().pinned_bytes == 0);
  CHECK(stands(kChunk, kPage));
  CHECK_FALSE(stands(kChunk + kPage, 1));
  shared.release(chunk(1), kPage);

  const auto allocation = shared.allocate(2 * kPage);
  REQUIRE(allocation.verdict.ok());
  REQUIRE(cache.add(allocation.memory, 2 * kPage) == VMMC_OK);
  CHECK(cache.prepare(allocation.memory, 2 * kPage));
  CHECK(cache.remove(allocation.memory) == VMMC_OK);
  CHECK(shared.free(allocation.memory).ok());
}

TEST_CASE_FIXTURE(CacheFixture, "neighbours that share a page pin it once") {
  const std::size_t border = kChunk + 100;
  REQUIRE(add(kPage, border - kPage));
  REQUIRE(add(border, kChunk));
  CHECK(prepare(border - 8, 16));
  CHECK(cache.counters().pinned_bytes == 2 * kChunk);
  CHECK(stands(kPage, 2 * kChunk));
  CHECK(cache.remove(pages.data() + kPage) == VMMC_OK);
  CHECK_FALSE(stands(border, 1));
  CHECK(stands(kChunk + kPage, kChunk));
  CHECK(prepare(border, kChunk));
  CHECK(cache.counters().pinned_bytes == kChunk + kPage);
  CHECK(cache.remove(pages.data() + border) == VMMC_OK);
  CHECK(nicsim.segments.empty());
  CHECK(pages.holds_pattern());
}

// ---- what goes wrong

TEST_CASE_FIXTURE(CacheFixture, "memory that the program has unmapped is not pinned") {
  REQUIRE(add(0, 3 * kChunk));
  ::munmap(chunk(1) + kPage, kPage);
  CHECK_FALSE(prepare(0, 2 * kChunk));
  CHECK(picture() == "......");
  {
    const tests::FailingSystemCalls counted;  // it is not tried again by those that come next
    CHECK_FALSE(prepare(kChunk, 1));
    for (std::uint64_t i = 1; i < RegistrationCache::kRetryAfter; ++i) prepare(0, 1);
    CHECK(counted.calls() == 0);
  }
  CHECK(prepare(0, 1));
  CHECK_FALSE(prepare(kChunk, 1));
  CHECK(prepare(2 * kChunk, 1));
  CHECK(picture() == "#.#...");
  CHECK(cache.counters().hits == 0);
}

TEST_CASE_FIXTURE(CacheFixture, "pinned memory that the program has unmapped is forgotten") {
  REQUIRE(add(0, 3 * kChunk));
  REQUIRE(prepare(0, 3 * kChunk));
  ::munmap(chunk(1), kPage);
  shared.before_fork();
  const int status = run_in_child([&] {
    shared.make_private_after_fork();
    return is_mapped(chunk(1)) || is_shared(chunk(1) + kPage) || is_shared(chunk(0)) ? 1 : 0;
  });
  shared.after_fork_in_parent();
  CHECK(ended_with(status, 0));
  CHECK(cache.remove(chunk(0)) == VMMC_OK);
  CHECK(picture() == "......");
  CHECK(nicsim.segments.empty());
  CHECK_FALSE(is_mapped(chunk(1)));
  CHECK_FALSE(is_shared(chunk(0)));
}

TEST_CASE_FIXTURE(CacheFixture, "whichever system call fails, the memory is just not pinned") {
  unsigned failures = 0;
  for (unsigned n = 1;; ++n) {
    CAPTURE(n);
    REQUIRE(add(kPage, kChunk + kChunk / 2));  // begins without a memory of the last failure
    bool prepared = false;
    bool failed = false;
    {
      const tests::FailingSystemCalls faults(n, ENOMEM);
      prepared = prepare(kPage, kChunk + kChunk / 2);
      failed = faults.failed_call() != nullptr;
    }
    CHECK(pages.holds_pattern());
    CHECK(prepared == !failed);
    CHECK(nicsim.segments.size() == (failed ? 0 : 2));
    CHECK(cache.counters().pinned_bytes == (failed ? 0 : kChunk + kChunk / 2));
    if (!failed) break;
    ++failures;
    REQUIRE(cache.remove(pages.data() + kPage) == VMMC_OK);
  }
  CHECK(failures > 5);
}

TEST_CASE_FIXTURE(CacheFixture, "chunks that nicsim does not take stay private, all or none") {
  REQUIRE(add(0, 3 * kChunk));
  nicsim.refuse_after = 2;
  CHECK_FALSE(prepare(0, 3 * kChunk));
  CHECK(picture() == "......");
  CHECK(nicsim.segments.empty());
  CHECK(cache.counters().pinned_bytes == 0);
}

// ---- signals and forks

CacheFixture* interrupted = nullptr;
int hits_in_handler = 0;
int misses_in_handler = 0;

void handle(int) {
  hits_in_handler += interrupted->prepare(0, 8) ? 1 : 0;
  misses_in_handler += interrupted->prepare(2 * kChunk, 8) ? 0 : 1;
}

TEST_CASE_FIXTURE(CacheFixture, "a handler that interrupts the cache hits, and pins nothing") {
  const Watchdog watchdog;
  interrupted = this;
  REQUIRE(add(0, 3 * kChunk));
  use(0);
  use(1);
  ::signal(SIGUSR1, handle);
  nicsim.when_settling = [] { ::raise(SIGUSR1); };
  cache.set_limit(kChunk);  // chunk 0 has just been hidden
  CHECK(hits_in_handler == 0);
  CHECK(misses_in_handler == 1);
  CHECK(picture() == ".#....");
  cache.set_limit(2 * kChunk);
  use(0);
  use(1);
  use(0);
  cache.set_limit(kChunk);
  CHECK(hits_in_handler == 1);
  CHECK(misses_in_handler == 2);
  CHECK(picture() == "#.....");
  nicsim.when_settling = nullptr;
  ::signal(SIGUSR1, SIG_DFL);
  use(2);  // the thread itself is not kept out
  CHECK(picture() == "..#...");
}

TEST_CASE_FIXTURE(CacheFixture, "a forked child has private memory, and may have a cache anew") {
  REQUIRE(add(0, 3 * kChunk));
  use(1);
  cache.before_fork();
  shared.before_fork();
  const int status = run_in_child([&] {
    shared.make_private_after_fork();
    cache.after_fork();
    if (is_shared(chunk(1)) || !pages.holds_pattern()) return 1;
    pages.word(0) = 7;
    RegistrationCache anew(shared);
    if (anew.add(chunk(0), kChunk) != VMMC_OK || !anew.prepare(chunk(0), kChunk)) return 2;
    if (!is_shared(chunk(0)) || is_shared(chunk(1))) return 3;
    anew.release_all();
    return is_shared(chunk(0)) || pages.word(0) != 7 ? 4 : 0;
  });
  shared.after_fork_in_parent();
  cache.after_fork();
  CHECK(ended_with(status, 0));
  CHECK(picture() == ".#....");
  CHECK(pages.holds_pattern());
  use(2);
  CHECK(picture() == ".##...");
}

}  // namespace
}  // namespace vmmc::internal
