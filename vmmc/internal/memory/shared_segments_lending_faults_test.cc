// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Lendable buffers when system calls fail, and while other threads store to their pages.

#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/support/faults/failing_system_calls.h"
#include "vmmc/internal/memory/shared_segments_fixture.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {
namespace {

// Covers `length` bytes with each system call failing in turn. Returns how often the buffer was
// covered plainly instead.
template <typename Check>
int cover_with_failures(Fixture& fixture, std::byte* memory, std::size_t length, Check check) {
  fixture.cover_lendable(memory, length);  // so that there is a chunk for bells
  CHECK(fixture.shared.release(memory, length).ok());
  int plain = 0;
  for (unsigned n = 1;; ++n) {
    CAPTURE(n);
    SharedSegments::Cover covered;
    bool failed = false;
    {
      const tests::FailingSystemCalls faults(n, ENOMEM);
      covered = fixture.shared.cover(memory, length, SharedSegments::Lending::kIfPossible);
      failed = faults.failed_call() != nullptr;
    }
    REQUIRE(covered.verdict.ok());
    check(covered);
    plain += covered.bell == nullptr ? 1 : 0;
    CHECK(fixture.shared.find_bell(memory).has_value() == (covered.bell != nullptr));
    REQUIRE(fixture.shared.release(memory, length).ok());
    if (failed) continue;
    CHECK(covered.bell != nullptr);
    return plain;
  }
}

TEST_CASE_FIXTURE(Fixture, "whichever system call fails, pages of the program are covered") {
  const int plain = cover_with_failures(*this, pages.page(1), 3 * kPage, [&](const auto& covered) {
    CHECK(covered.extents.size() == 1);
    CHECK(nicsim.segments.size() == 1);
    CHECK(pages.holds_pattern());
    nicsim.at(covered, 8) = pages.page(1)[8];
  });
  CHECK(plain >= 8);
  CHECK(pages.holds_pattern());
  CHECK(nicsim.segments.empty());
}

TEST_CASE_FIXTURE(Fixture, "whichever system call fails, a part of an allocation is covered") {
  // A new allocation for each, as the part leaves it when it is moved.
  int plain = 0;
  for (unsigned n = 1;; ++n) {
    CAPTURE(n);
    auto* const memory = static_cast<std::byte*>(shared.allocate(3 * kPage).memory);
    REQUIRE(memory != nullptr);
    std::memcpy(memory, pages.data(), 3 * kPage);
    SharedSegments::Cover covered;
    bool failed = false;
    {
      const tests::FailingSystemCalls faults(n, ENOMEM);
      covered = shared.cover(memory + kPage, kPage, SharedSegments::Lending::kIfPossible);
      failed = faults.failed_call() != nullptr;
    }
    REQUIRE(covered.verdict.ok());
    CHECK(std::memcmp(memory, pages.data(), 3 * kPage) == 0);
    nicsim.at(covered, 9) = std::byte{9};
    CHECK(memory[kPage + 9] == std::byte{9});
    if (covered.bell == nullptr) {
      ++plain;
      CHECK(covered.extents[0].first_page == 1);  // where it was
      CHECK(nicsim.segments.size() == 1);
      CHECK(shared.find(memory, 3 * kPage).has_value());
    }
    REQUIRE(shared.release(memory + kPage, kPage).ok());
    REQUIRE(shared.free(memory).ok());
    CHECK(nicsim.segments.empty());
    if (failed) continue;
    CHECK(covered.bell != nullptr);
    break;
  }
  CHECK(plain >= 7);
}

TEST_CASE_FIXTURE(Fixture, "pages of a failed release and others are moved into one segment") {
  cover(0, 2 * kPage);
  {
    const tests::FailingSystemCalls faults(1, ENOMEM);
    release(0, 2 * kPage);
  }
  REQUIRE(is_shared(pages.data()));
  const auto covered = cover_lendable(pages.page(1), 3 * kPage);
  const auto importer = nicsim.lend(covered);
  CHECK(pages.holds_pattern());
  CHECK(nicsim.segments.size() == 2);
  REQUIRE(shared.release(pages.page(1), 3 * kPage, true).ok());
  importer->data[0] = ~importer->data[0];
  CHECK(pages.holds_pattern());
  CHECK_FALSE(is_shared(pages.data()));
  CHECK(nicsim.segments.empty());
}

TEST_CASE_FIXTURE(Fixture,
                  "lent pages that cannot be replaced are told of, and go with a later try") {
  auto* const memory = static_cast<std::byte*>(shared.allocate(2 * kPage).memory);
  REQUIRE(memory != nullptr);
  const auto importer = nicsim.lend(cover_lendable(memory, 2 * kPage));
  bool covered = true;
  for (unsigned n = 1; n <= 4; ++n) {
    CAPTURE(n);
    if (!covered) REQUIRE(shared.cover(memory, 2 * kPage).verdict.ok());
    {
      const tests::FailingSystemCalls faults(n, ENOMEM);
      const SegmentVerdict verdict = shared.release(memory, 2 * kPage, covered);
      REQUIRE(faults.failed_call() != nullptr);
      // Who covered it since then was not lent it.
      CHECK(verdict.status == (covered ? VMMC_ERR_OUT_OF_MEMORY : VMMC_OK));
      CHECK(verdict.detail.empty() == !covered);
    }
    covered = false;
    CHECK(is_shared(memory));
    CHECK_FALSE(shared.find_bell(memory).has_value());
    importer->data[n] = std::byte{5};
    CHECK(memory[n] == std::byte{5});
  }
  cover(0, kPage);
  release(0, kPage);  // any release tries again
  CHECK_FALSE(is_shared(memory));
  importer->data[1] = std::byte{6};
  CHECK(memory[1] == std::byte{5});
  CHECK(nicsim.segments.empty());
  CHECK(shared.free(memory).ok());
}

TEST_CASE_FIXTURE(Fixture, "what was lent and could not be replaced is never lent again") {
  const auto importer = nicsim.lend(cover_lendable(pages.data(), 2 * kPage));
  {
    const tests::FailingSystemCalls faults(1, ENOMEM);
    CHECK_FALSE(shared.release(pages.data(), 2 * kPage, true).ok());
  }
  const auto again = cover_lendable(pages.data(), 2 * kPage);
  const auto next = nicsim.lend(again);
  importer->data[0] = ~importer->data[0];
  CHECK(pages.holds_pattern());
  CHECK(nicsim.segments.size() == 1);
  next->data[0] = std::byte{1};
  CHECK(pages.data()[0] == std::byte{1});
}

TEST_CASE_FIXTURE(Fixture, "no store is lost while its page is covered, moved, lent and replaced") {
  const Watchdog watchdog;
  constexpr std::size_t kCount = 4;
  auto* const memory = static_cast<std::byte*>(shared.allocate(kCount * kPage).memory);
  REQUIRE(memory != nullptr);
  auto* const words = reinterpret_cast<volatile std::uint64_t*>(memory);
  constexpr std::size_t kWords = kCount * kPage / sizeof(std::uint64_t);
  std::atomic<bool> done{false};
  std::uint64_t rounds[2] = {0, 0};
  std::vector<std::thread> threads;
  for (std::size_t lane = 0; lane < 2; ++lane) {
    threads.emplace_back([&, lane] {
      for (; !done; ++rounds[lane]) {
        for (std::size_t i = lane; i < kWords; i += 16) {
          words[i] = words[i] + 1;
          must(words[i] == rounds[lane] + 1, "what a thread stores it loads");
        }
        shared.find_bell(memory + lane);
      }
    });
  }
  int lendable = 0;
  for (std::size_t round = 0; round < 120; ++round) {
    const std::size_t first = round % kCount;
    const std::size_t count = 1 + round / kCount % (kCount - first);
    const auto covered =
        shared.cover(memory + first * kPage, count * kPage, SharedSegments::Lending::kIfPossible);
    must(covered.verdict.ok(), "the pages can be covered");
    lendable += covered.bell != nullptr ? 1 : 0;
    must(shared.release(memory + first * kPage, count * kPage, round % 3 != 0).ok(),
         "and released");
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(lendable == 120);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < kWords; ++i)
    wrong += words[i] != (i % 16 < 2 ? rounds[i % 16] : 0) ? 1 : 0;
  CHECK(wrong == 0);
  CHECK(shared.free(memory).ok());
  CHECK(nicsim.segments.empty());
}

TEST_CASE("a transfer in place reads what was stored before, while its page moves") {
  const Watchdog watchdog;
  RacingRegistrar nicsim;
  SharedSegments shared(nicsim);
  auto* const memory = static_cast<std::byte*>(shared.allocate(2 * kPage).memory);
  REQUIRE(memory != nullptr);
  auto* const word = reinterpret_cast<std::uint64_t*>(memory + kPage);
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> in_place{0};
  std::thread sender([&] {
    for (std::uint64_t value = 1; !done; ++value) {
      *const_cast<volatile std::uint64_t*>(word) = value;
      const std::lock_guard lock(nicsim.queue);
      const auto position = shared.find(word, sizeof *word);
      if (!position) continue;
      const volatile std::byte* const from = &nicsim.at(*position);
      must(*reinterpret_cast<const volatile std::uint64_t*>(from) == value, "it reads the store");
      ++in_place;
    }
  });
  for (std::size_t round = 0; round < 200 || in_place < 2; ++round) {
    const std::size_t offset = round % 2 * kPage;  // all of it, or a part: each time they move
    const auto covered =
        shared.cover(memory + offset, 2 * kPage - offset, SharedSegments::Lending::kIfPossible);
    must(covered.bell != nullptr, "the pages can be lent");
    std::this_thread::yield();  // to the sender
    must(shared.release(memory + offset, 2 * kPage - offset, true).ok(), "and replaced");
  }
  done = true;
  sender.join();
  CHECK(shared.free(memory).ok());
  CHECK(nicsim.segments.empty());
}

}  // namespace
}  // namespace vmmc::internal
