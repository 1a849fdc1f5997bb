// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/shared_segments.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <string>
#include <thread>

#include "tests/support/faults/failing_system_calls.h"
#include "vmmc/internal/memory/shared_segments_fixture.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {
namespace {

TEST_CASE_FIXTURE(Fixture, "allocated memory is zeroed, page-aligned and found by sends") {
  const auto allocation = shared.allocate(5000);
  REQUIRE(allocation.verdict.ok());
  auto* memory = static_cast<std::byte*>(allocation.memory);
  CHECK(reinterpret_cast<std::uintptr_t>(memory) % kPage == 0);
  for (std::size_t i = 0; i < 2 * kPage; ++i) REQUIRE(memory[i] == std::byte{0});
  memory[4999] = std::byte{9};
  const auto position = shared.find(memory + 4999, 1);
  REQUIRE(position.has_value());
  CHECK(nicsim.at(*position) == std::byte{9});
  CHECK_FALSE(shared.find(memory + 8191, 2).has_value());
  CHECK(shared.free(memory).ok());
  CHECK_FALSE(shared.find(memory, 1).has_value());
  CHECK(nicsim.segments.empty());
  CHECK(nicsim.settled == 1);
  CHECK_FALSE(is_mapped(memory));
}

TEST_CASE_FIXTURE(Fixture, "impossible allocations and frees are refused") {
  CHECK(shared.allocate(0).verdict.status == VMMC_ERR_ZERO_LENGTH);
  CHECK(shared.allocate(SIZE_MAX).verdict.status == VMMC_ERR_LENGTH_OVERFLOW);
  CHECK(shared.free(nullptr).status == VMMC_ERR_NOT_ALLOCATED);
  CHECK(shared.free(pages.data()).status == VMMC_ERR_NOT_ALLOCATED);
  const auto allocation = shared.allocate(2 * kPage);
  REQUIRE(allocation.verdict.ok());
  auto* memory = static_cast<std::byte*>(allocation.memory);
  CHECK(shared.free(memory + kPage).status == VMMC_ERR_NOT_ALLOCATED);
  CHECK(shared.free(memory).ok());
  CHECK(shared.free(memory).status == VMMC_ERR_NOT_ALLOCATED);
  cover(0, 4);
  CHECK(shared.free(pages.data()).status == VMMC_ERR_NOT_ALLOCATED);
}

TEST_CASE_FIXTURE(Fixture, "exported allocated memory cannot be freed and keeps its segment") {
  const auto allocation = shared.allocate(3 * kPage);
  REQUIRE(allocation.verdict.ok());
  auto* memory = static_cast<std::byte*>(allocation.memory);
  const auto covered = shared.cover(memory + kPage + 8, 100);
  REQUIRE(covered.verdict.ok());
  CHECK(covered.page_offset == 8);
  REQUIRE(covered.extents.size() == 1);
  CHECK(covered.extents[0].first_page == 1);
  CHECK(covered.extents[0].pages == 1);
  CHECK(nicsim.segments.size() == 1);
  CHECK(shared.free(memory).status == VMMC_ERR_IN_USE);
  shared.release(memory + kPage + 8, 100);
  CHECK(is_shared(memory));
  CHECK(shared.free(memory).ok());
}

TEST_CASE_FIXTURE(Fixture, "covered pages are shared in place, and private again at the end") {
  const auto covered = cover(kPage + 100, 2 * kPage);
  CHECK(covered.page_offset == 100);
  REQUIRE(covered.extents.size() == 1);
  CHECK(covered.extents[0].pages == 3);
  CHECK(pages.holds_pattern());
  CHECK_FALSE(is_shared(pages.page(0)));
  CHECK(is_shared(pages.page(1)));
  CHECK(is_shared(pages.page(3)));
  CHECK_FALSE(is_shared(pages.page(4)));
  CHECK(found(kPage, 3 * kPage));
  CHECK_FALSE(found(0, 1));
  nicsim.at(covered, 5) = std::byte{55};
  CHECK(pages.data()[kPage + 105] == std::byte{55});
  release(kPage + 100, 2 * kPage);
  CHECK_FALSE(is_shared(pages.page(1)));
  CHECK(pages.data()[kPage + 105] == std::byte{55});
  CHECK_FALSE(found(kPage, 1));
  CHECK(nicsim.segments.empty());
}

TEST_CASE_FIXTURE(Fixture, "buffers may share pages, and each is whole until it ends") {
  const auto first = cover(0, 2 * kPage + 8);           // pages 0 to 2
  const auto second = cover(2 * kPage + 8, 2 * kPage);  // pages 2 to 4
  const auto inside = cover(kPage + 4, 4);              // page 1
  CHECK(first.extents.size() == 1);
  CHECK(second.extents.size() == 2);
  CHECK(inside.extents.size() == 1);
  CHECK(nicsim.segments.size() == 2);
  nicsim.at(second, kPage) = std::byte{7};
  CHECK(pages.data()[3 * kPage + 8] == std::byte{7});
  release(0, 2 * kPage + 8);
  CHECK_FALSE(is_shared(pages.page(0)));
  CHECK(is_shared(pages.page(1)));
  CHECK(is_shared(pages.page(2)));
  nicsim.at(second, 0) = std::byte{8};
  CHECK(pages.data()[2 * kPage + 8] == std::byte{8});
  release(kPage + 4, 4);
  CHECK_FALSE(is_shared(pages.page(1)));
  release(2 * kPage + 8, 2 * kPage);
  CHECK_FALSE(is_shared(pages.page(2)));
  CHECK_FALSE(is_shared(pages.page(4)));
  CHECK(nicsim.segments.empty());
  CHECK(pages.data()[3 * kPage + 8] == std::byte{7});
}

TEST_CASE_FIXTURE(Fixture, "what cannot be covered is refused with a reason, and nothing changes") {
  auto status = [this](const void* address, std::size_t length) {
    const auto covered = shared.cover(address, length);
    CHECK_FALSE(covered.verdict.detail.empty());
    CHECK(covered.extents.empty());
    return covered.verdict.status;
  };
  CHECK(status(pages.data(), 0) == VMMC_ERR_ZERO_LENGTH);
  CHECK(status(pages.data(), SIZE_MAX) == VMMC_ERR_LENGTH_OVERFLOW);
  CHECK(status(pages.data(), PTRDIFF_MAX) == VMMC_ERR_BAD_MEMORY);
  CHECK(status(reinterpret_cast<void*>(UINTPTR_MAX - 7), 4) == VMMC_ERR_BAD_MEMORY);
  CHECK(status(nullptr, 4) == VMMC_ERR_BAD_MEMORY);
  CHECK(status(pages.data(), pages.bytes() + 1) == VMMC_ERR_BAD_MEMORY);
  char on_stack[8];
  CHECK(status(on_stack, sizeof on_stack) == VMMC_ERR_BAD_MEMORY);
  nicsim.refuse_after = 0;
  CHECK(status(pages.data(), 4) == VMMC_ERR_NICSIM_GONE);
  CHECK(nicsim.segments.empty());
  CHECK(pages.holds_pattern());
  CHECK_FALSE(is_shared(pages.data()));
}

TEST_CASE_FIXTURE(Fixture, "a refusal half-way undoes the first half") {
  cover(3 * kPage, kPage);  // leaves a gap on either side
  nicsim.refuse_after = 1;
  CHECK(shared.cover(pages.data(), pages.bytes()).verdict.status == VMMC_ERR_NICSIM_GONE);
  CHECK(nicsim.segments.size() == 1);
  CHECK_FALSE(is_shared(pages.page(0)));
  CHECK(is_shared(pages.page(3)));
  release(3 * kPage, kPage);
  CHECK_FALSE(is_shared(pages.page(3)));
}

TEST_CASE("memory in more pieces than a message holds is refused") {
  const TestPages pages(2 * wire::kMaxExtents);
  FakeRegistrar nicsim;
  SharedSegments shared(nicsim);
  // Every second page alone; covering all of it makes each page a piece.
  for (std::size_t i = 0; i < 2 * wire::kMaxExtents; i += 2)
    REQUIRE(shared.cover(pages.page(i), kPage).verdict.ok());
  const auto most = shared.cover(pages.data(), wire::kMaxExtents * kPage);
  CHECK(most.verdict.ok());
  CHECK(most.extents.size() == wire::kMaxExtents);
  const auto more = shared.cover(pages.data(), (wire::kMaxExtents + 1) * kPage);
  CHECK(more.verdict.status == VMMC_ERR_BAD_MEMORY);
  CHECK(more.verdict.detail.find("65 pieces") != std::string::npos);
  CHECK(pages.holds_pattern());
}

TEST_CASE_FIXTURE(Fixture, "pages are hidden from new sends before transfers are waited for") {
  cover(0, kPage);
  bool hidden = false;
  bool still_shared = false;
  nicsim.when_settling = [&] {
    hidden = !found(0, 1);
    still_shared = is_shared(pages.data());
  };
  release(0, kPage);
  CHECK(nicsim.settled == 1);
  CHECK(hidden);
  CHECK(still_shared);
  CHECK_FALSE(is_shared(pages.data()));
}

TEST_CASE_FIXTURE(Fixture,
                  "whichever system call fails, covering fails whole and can be repeated") {
  cover(3 * kPage, kPage);
  unsigned failures = 0;
  for (unsigned n = 1;; ++n) {
    CAPTURE(n);
    SharedSegments::Cover covered;
    bool failed = false;
    {
      const tests::FailingSystemCalls faults(n, ENOMEM);
      nicsim.refuse_after = -1;
      covered = shared.cover(pages.data(), pages.bytes());
      failed = faults.failed_call() != nullptr;
    }
    if (!failed) {
      REQUIRE(covered.verdict.ok());
      break;
    }
    ++failures;
    CHECK(pages.holds_pattern());
    REQUIRE(covered.verdict.status == VMMC_ERR_OUT_OF_MEMORY);
    CHECK(covered.extents.empty());
    CHECK(nicsim.segments.size() == 1);
    CHECK_FALSE(is_shared(pages.page(0)));
    CHECK(is_shared(pages.page(3)));
    CHECK_FALSE(is_shared(pages.page(7)));
  }
  CHECK(failures > 10);
  CHECK(pages.holds_pattern());
}

TEST_CASE_FIXTURE(Fixture, "whichever system call fails, allocating leaves nothing behind") {
  // Afterwards there is a place for the bell: to find one has more than one way (bell_pages_test).
  REQUIRE(shared.free(shared.allocate(kPage).memory).ok());
  for (unsigned n = 1;; ++n) {
    CAPTURE(n);
    const tests::FailingSystemCalls faults(n, ENOMEM);
    const auto allocation = shared.allocate(kPage);
    if (faults.failed_call() == nullptr) {
      CHECK(allocation.verdict.ok());
      break;
    }
    CHECK(allocation.verdict.status == VMMC_ERR_OUT_OF_MEMORY);
    CHECK(allocation.memory == nullptr);
    CHECK(nicsim.segments.empty());
  }
}

TEST_CASE_FIXTURE(Fixture, "pages that cannot be given back stay usable and go with a later try") {
  cover(0, 2 * kPage);
  for (unsigned n = 1; n <= 4; ++n) {
    CAPTURE(n);
    {
      const tests::FailingSystemCalls faults(n, ENOMEM);
      release(0, 2 * kPage);
      REQUIRE(faults.failed_call() != nullptr);
    }
    CHECK(is_shared(pages.data()));
    CHECK(pages.holds_pattern());
    CHECK(found(0, 2 * kPage));
    CHECK(nicsim.segments.size() == 1);
    const auto again = cover(0, 2 * kPage);
    nicsim.at(again, 9) = std::byte{1};
    CHECK(pages.data()[9] == std::byte{1});
    pages.word(1) = TestPages::pattern(1);
  }
  cover(4 * kPage, kPage);
  {
    const tests::FailingSystemCalls faults(1, ENOMEM);
    release(0, 2 * kPage);
  }
  CHECK(is_shared(pages.data()));
  release(4 * kPage, kPage);  // any release tries again
  CHECK_FALSE(is_shared(pages.data()));
  CHECK(nicsim.segments.empty());
  CHECK(pages.holds_pattern());
}

TEST_CASE_FIXTURE(Fixture, "the end of everything gives back and frees all") {
  const auto allocation = shared.allocate(kPage);
  REQUIRE(allocation.verdict.ok());
  cover(100, 3 * kPage);
  shared.release_all();
  CHECK(nicsim.segments.empty());
  CHECK_FALSE(is_shared(pages.data()));
  CHECK_FALSE(is_mapped(allocation.memory));
  CHECK(pages.holds_pattern());
  CHECK_FALSE(found(100, 1));
  shared.release_all();
  cover(0, kPage);  // and a new beginning is possible
  CHECK(found(0, 1));
}

TEST_CASE_FIXTURE(Fixture, "many ranges are covered together or not at all, and waited for once") {
  const std::vector ranges{pages.range(0, 2), pages.range(2, 1), pages.range(5, 2)};
  CHECK(shared.unshared(pages.range()) == std::vector{pages.range()});
  nicsim.refuse_after = 2;
  CHECK(shared.cover_pages(ranges).status == VMMC_ERR_NICSIM_GONE);
  CHECK(nicsim.segments.empty());
  CHECK_FALSE(is_shared(pages.data()));
  nicsim.refuse_after = -1;
  cover(5 * kPage, 8);
  REQUIRE(shared.cover_pages(ranges).ok());
  CHECK(shared.unshared(pages.range()) == std::vector{pages.range(3, 2), pages.range(7, 1)});
  CHECK(found(0, 2 * kPage));
  CHECK_FALSE(found(0, 2 * kPage + 1));  // each has a segment of its own
  shared.release_pages(ranges);
  CHECK(nicsim.settled == 1);
  CHECK(shared.unshared(pages.range()) == std::vector{pages.range(0, 5), pages.range(6, 2)});
  CHECK(pages.holds_pattern());
}

TEST_CASE_FIXTURE(Fixture, "a check says what covering would, and changes nothing") {
  CHECK(shared.check(pages.data(), 0).status == VMMC_ERR_ZERO_LENGTH);
  CHECK(shared.check(pages.data(), pages.bytes() + 1).status == VMMC_ERR_BAD_MEMORY);
  CHECK(shared.check(pages.data() + 1, pages.bytes() - 1).ok());
  cover(0, kPage);
  CHECK(shared.check(pages.data(), pages.bytes()).ok());
  CHECK_FALSE(is_shared(pages.page(1)));
}

// ---- fork

template <typename Child>
int fork_with(SharedSegments& shared, Child child) {
  shared.before_fork();
  const int status = run_in_child([&] {
    shared.make_private_after_fork();
    return child();
  });
  shared.after_fork_in_parent();
  return status;
}

TEST_CASE_FIXTURE(Fixture, "a forked child has private copies, and begins anew") {
  const auto allocation = shared.allocate(kPage);
  REQUIRE(allocation.verdict.ok());
  auto* memory = static_cast<volatile char*>(allocation.memory);
  memory[3] = 3;
  const auto covered = cover(0, 2 * kPage);
  const int settled = nicsim.settled;
  CHECK(ended_with(fork_with(shared,
                             [&] {
                               if (memory[3] != 3 || !pages.holds_pattern()) return 1;
                               if (is_shared(pages.data()) || is_shared(allocation.memory))
                                 return 2;
                               if (found(0, 1) || nicsim.settled != settled) return 3;
                               memory[3] = 4;
                               pages.word(0) = 4;
                               if (shared.free(allocation.memory).status != VMMC_ERR_NOT_ALLOCATED)
                                 return 4;
                               if (!shared.cover(pages.data(), 8).verdict.ok()) return 5;
                               if (!is_shared(pages.data()) || pages.word(0) != 4) return 6;
                               shared.release_all();
                               return is_shared(pages.data()) || pages.word(0) != 4 ? 7 : 0;
                             }),
                   0));
  CHECK(memory[3] == 3);
  CHECK(pages.holds_pattern());
  nicsim.at(covered, 8) = std::byte{2};
  CHECK(pages.data()[8] == std::byte{2});
}

TEST_CASE_FIXTURE(Fixture, "a child of a child is private as well") {
  cover(0, kPage);
  CHECK(ended_with(fork_with(shared,
                             [&] {
                               if (!shared.cover(pages.data(), 8).verdict.ok()) return 1;
                               const int status = fork_with(shared, [&] {
                                 pages.word(0) = 5;
                                 return is_shared(pages.data()) ? 2 : 0;
                               });
                               return ended_with(status, 0) && pages.holds_pattern() ? 0 : 3;
                             }),
                   0));
  CHECK(is_shared(pages.data()));
}

TEST_CASE_FIXTURE(Fixture,
                  "threads that cover, release and find at once do not disturb each other") {
  const Watchdog watchdog;
  auto work = [this](std::size_t page) {
    for (int round = 0; round < 100; ++round) {
      must(shared.cover(pages.page(page), 2 * kPage).verdict.ok(), "covering works");
      pages.word(page * 512) = static_cast<std::uint64_t>(round);
      must(is_shared(pages.page(page)), "the page is shared");
      shared.release(pages.page(page), 2 * kPage);
      must(pages.word(page * 512) == static_cast<std::uint64_t>(round), "the store is kept");
      shared.find(pages.page(page), 8);
    }
  };
  std::thread first(work, 1);
  std::thread second(work, 2);  // both use page 2
  first.join();
  second.join();
  CHECK(nicsim.segments.empty());
  CHECK_FALSE(is_shared(pages.page(2)));
}

}  // namespace
}  // namespace vmmc::internal
