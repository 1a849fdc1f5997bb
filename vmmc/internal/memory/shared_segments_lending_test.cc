// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Buffers that nicsim may lend to importers: which they are, what an importer reaches, and that it
// reaches nothing afterwards.

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "vmmc/internal/memory/shared_segments_fixture.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {
namespace {

struct LendingFixture : Fixture {
  std::byte* allocate(std::size_t bytes) {
    const auto allocation = shared.allocate(bytes);
    REQUIRE(allocation.verdict.ok());
    return static_cast<std::byte*>(allocation.memory);
  }
  SharedSegments::Cover cover_lendable(std::size_t first, std::size_t count) {
    return Fixture::cover_lendable(pages.page(first), count * kPage);
  }
};

wire::BufferBell& bell_of(const View& importer) {
  return *reinterpret_cast<wire::BufferBell*>(importer.data + importer.bytes - kPage);
}

TEST_CASE_FIXTURE(LendingFixture, "an allocation is lendable as it is") {
  std::byte* const memory = allocate(3 * kPage - 50);
  memory[5] = std::byte{5};
  const auto covered = Fixture::cover_lendable(memory, 3 * kPage);
  const auto importer = nicsim.lend(covered);
  CHECK(nicsim.segments.size() == 1);
  CHECK(nicsim.settled == 0);  // nothing has moved
  CHECK(importer->data[5] == std::byte{5});
  importer->data[2 * kPage] = std::byte{6};
  CHECK(memory[2 * kPage] == std::byte{6});
  bell_of(*importer).rings = 7;
  CHECK(covered.bell->rings == 7);
  CHECK(shared.free(memory).status == VMMC_ERR_IN_USE);
  // The bell is not what follows the buffer.
  const auto* const bell = reinterpret_cast<std::byte*>(covered.bell);
  CHECK((bell < memory - kPage || bell > memory + 4 * kPage));
  REQUIRE(shared.release(memory, 3 * kPage).ok());
  CHECK(is_shared(memory));  // it was not lent, and is as good as new
  CHECK(Fixture::cover_lendable(memory, 3 * kPage).bell == covered.bell);
  REQUIRE(shared.release(memory, 3 * kPage).ok());
  CHECK(shared.free(memory).ok());
  CHECK(nicsim.segments.empty());
}

TEST_CASE_FIXTURE(LendingFixture, "who was lent an allocation reaches nothing after its release") {
  std::byte* const memory = allocate(2 * kPage);
  memory[0] = std::byte{1};
  auto covered = Fixture::cover_lendable(memory, 2 * kPage);
  const auto importer = nicsim.lend(covered);
  importer->data[kPage] = std::byte{2};
  REQUIRE(shared.release(memory, 2 * kPage, true).ok());
  CHECK_FALSE(is_shared(memory));
  CHECK(nicsim.segments.empty());
  CHECK_FALSE(shared.find(memory, 1).has_value());
  std::fill_n(importer->data, 2 * kPage, std::byte{99});
  CHECK(memory[0] == std::byte{1});
  CHECK(memory[kPage] == std::byte{2});
  covered.bell->armed = 1;  // a thread that found it just before
  CHECK(bell_of(*importer).armed == 0);

  covered = Fixture::cover_lendable(memory, 2 * kPage);  // it is still allocated, and lendable
  const auto next = nicsim.lend(covered);
  CHECK(next->data[kPage] == std::byte{2});
  importer->data[0] = std::byte{98};
  CHECK(next->data[0] == std::byte{1});
  REQUIRE(shared.release(memory, 2 * kPage, true).ok());
  CHECK(shared.free(memory).ok());
  CHECK_FALSE(is_mapped(memory));
  CHECK_FALSE(is_mapped(memory + kPage));
}

TEST_CASE_FIXTURE(LendingFixture, "of a part of an allocation an importer gets that part alone") {
  std::byte* const memory = allocate(4 * kPage);
  for (std::size_t i = 0; i < 4; ++i) memory[i * kPage] = static_cast<std::byte>(i + 1);
  bool hidden = false;
  nicsim.when_settling = [&] { hidden = !shared.find(memory + kPage, 1); };
  const auto covered = Fixture::cover_lendable(memory + kPage, 2 * kPage);
  CHECK(hidden);
  nicsim.when_settling = nullptr;
  const auto importer = nicsim.lend(covered);  // checks the size
  CHECK(importer->data[0] == std::byte{2});
  CHECK(importer->data[kPage] == std::byte{3});
  CHECK(nicsim.at(*shared.find(memory, kPage)) == std::byte{1});
  CHECK(nicsim.at(*shared.find(memory + 3 * kPage, kPage)) == std::byte{4});
  CHECK(shared.free(memory).status == VMMC_ERR_IN_USE);
  REQUIRE(shared.release(memory + kPage, 2 * kPage, true).ok());
  importer->data[0] = std::byte{99};
  CHECK(memory[kPage] == std::byte{2});
  CHECK(nicsim.segments.size() == 1);
  const auto whole = Fixture::cover_lendable(memory, 4 * kPage);
  CHECK(nicsim.segments.size() == 1);  // the first one is not used any more
  const auto second = nicsim.lend(whole);
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(second->data[i * kPage] == static_cast<std::byte>(i + 1));
  REQUIRE(shared.release(memory, 4 * kPage).ok());
  CHECK_FALSE(is_shared(memory));
  CHECK(shared.free(memory).ok());
  CHECK(nicsim.segments.empty());
}

TEST_CASE_FIXTURE(LendingFixture, "whole pages of the program are lendable in place") {
  const auto covered = cover_lendable(1, 3);
  const auto importer = nicsim.lend(covered);
  CHECK(pages.holds_pattern());
  CHECK_FALSE(is_shared(pages.page(0)));
  CHECK_FALSE(is_shared(pages.page(4)));
  importer->data[8] = std::byte{77};
  CHECK(pages.page(1)[8] == std::byte{77});
  REQUIRE(shared.release(pages.page(1), 3 * kPage, true).ok());
  importer->data[8] = std::byte{78};
  CHECK(pages.page(1)[8] == std::byte{77});
  CHECK_FALSE(is_shared(pages.page(1)));
  CHECK(nicsim.segments.empty());
}

TEST_CASE_FIXTURE(LendingFixture, "what is not whole pages is covered, and never lent") {
  for (const auto& [offset, length] : std::vector<std::pair<std::size_t, std::size_t>>{
           {0, kPage - 4}, {4, kPage - 4}, {8, kPage}}) {
    const auto covered = Fixture::cover_lendable(pages.data() + offset, length);
    CHECK(covered.bell == nullptr);
    CHECK(covered.extents.size() == 1);
    CHECK(nicsim.lendable_memory.empty());
    CHECK_FALSE(shared.find_bell(pages.data() + offset).has_value());
    release(offset, length);
  }
  CHECK(cover(0, kPage).bell == nullptr);  // nor what was not asked for
  CHECK(nicsim.lendable_memory.empty());
}

TEST_CASE_FIXTURE(LendingFixture, "an allocation that ends inside a page is lendable to its end") {
  constexpr std::size_t kBytes = kPage + 100;
  void* const memory = shared.allocate(kBytes).memory;
  REQUIRE(memory != nullptr);
  for (const std::size_t length : {kBytes - 4, kPage + 4, std::size_t{4}}) {
    CHECK(Fixture::cover_lendable(memory, length).bell == nullptr);  // the rest is the program's
    shared.release(memory, length);
  }
  const auto covered = Fixture::cover_lendable(memory, kBytes);
  CHECK(covered.bell != nullptr);
  CHECK(covered.extents.size() == 1);
  CHECK(shared.find_bell(static_cast<std::byte*>(memory) + kBytes - 1)->offset == kBytes - 1);
  CHECK(shared.release(memory, kBytes).ok());
  // Also the last page alone: nobody else is on it.
  std::byte* const last = static_cast<std::byte*>(memory) + kPage;
  CHECK(Fixture::cover_lendable(last, kBytes - kPage).bell != nullptr);
  CHECK(shared.release(last, kBytes - kPage).ok());
  CHECK(shared.free(memory).ok());
}

TEST_CASE_FIXTURE(LendingFixture, "pages that somebody else covers are not moved") {
  const std::vector pinned{pages.range(1, 1)};
  REQUIRE(shared.cover_pages(pinned).ok());
  const auto covered = cover_lendable(0, 3);
  CHECK(covered.bell == nullptr);
  CHECK(covered.extents.size() == 3);
  shared.release_pages(pinned);
  CHECK(cover_lendable(2, 2).bell == nullptr);  // the other export covers a page of it
  release(2 * kPage, 2 * kPage);
  release(0, 3 * kPage);
  CHECK(cover_lendable(0, 3).bell != nullptr);
}

TEST_CASE_FIXTURE(LendingFixture, "pages that others cover, too, go when those let go of them") {
  const auto covered = cover_lendable(0, 3);
  const auto importer = nicsim.lend(covered);
  const auto other = cover(kPage, 8);
  CHECK(shared.find_bell(pages.page(1)).has_value());
  REQUIRE(shared.release(pages.page(0), 3 * kPage, true).ok());
  CHECK_FALSE(shared.find_bell(pages.page(1)).has_value());
  CHECK_FALSE(is_shared(pages.page(0)));
  CHECK(is_shared(pages.page(1)));
  nicsim.at(other, 4) = std::byte{3};
  CHECK(pages.page(1)[4] == std::byte{3});
  release(kPage, 8);
  importer->data[kPage + 4] = std::byte{4};
  CHECK(pages.page(1)[4] == std::byte{3});
  CHECK(nicsim.segments.empty());
}

TEST_CASE_FIXTURE(LendingFixture,
                  "an allocation that was lent under another cover goes with that") {
  std::byte* const memory = allocate(2 * kPage);
  const auto importer = nicsim.lend(Fixture::cover_lendable(memory, 2 * kPage));
  REQUIRE(shared.cover(memory, 2 * kPage).verdict.ok());
  REQUIRE(shared.release(memory, 2 * kPage, true).ok());
  CHECK(Fixture::cover_lendable(memory, 2 * kPage).bell == nullptr);
  REQUIRE(shared.release(memory, 2 * kPage).ok());
  CHECK(is_shared(memory));
  REQUIRE(shared.release(memory, 2 * kPage).ok());
  CHECK_FALSE(is_shared(memory));
  CHECK(shared.free(memory).ok());
}

TEST_CASE_FIXTURE(LendingFixture, "the bell of a buffer is found from any byte of it") {
  std::byte* const memory = allocate(2 * kPage);
  CHECK_FALSE(shared.find_bell(memory).has_value());  // no buffer yet
  const auto covered = cover_lendable(2, 3);
  const auto allocated = Fixture::cover_lendable(memory, 2 * kPage);
  const auto found = shared.find_bell(pages.page(4) + 12);
  REQUIRE(found.has_value());
  CHECK(found->bell == covered.bell);
  CHECK(found->offset == 2 * kPage + 12);
  REQUIRE(shared.find_bell(memory + 2 * kPage - 1).has_value());
  CHECK(shared.find_bell(memory + 2 * kPage - 1)->bell == allocated.bell);
  CHECK(shared.find_bell(memory + 2 * kPage - 1)->offset == 2 * kPage - 1);
  CHECK(covered.bell != allocated.bell);
  CHECK_FALSE(shared.find_bell(pages.page(1)).has_value());
  CHECK_FALSE(shared.find_bell(pages.page(5)).has_value());
  cover(2 * kPage, 3 * kPage);  // for something else: a redirection, say
  release(2 * kPage, 3 * kPage);
  CHECK(shared.find_bell(pages.page(2)).has_value());
  release(2 * kPage, 3 * kPage);
  CHECK_FALSE(shared.find_bell(pages.page(2)).has_value());
  REQUIRE(shared.release(memory, 2 * kPage).ok());
  CHECK(shared.find(memory, 1).has_value());
  CHECK_FALSE(shared.find_bell(memory).has_value());
}

TEST_CASE_FIXTURE(LendingFixture,
                  "if nicsim takes no lendable segment the pages are covered plainly") {
  std::byte* const memory = allocate(3 * kPage);
  nicsim.refuse_lendable = true;
  CHECK(shared.allocate(kPage).verdict.status == VMMC_ERR_NICSIM_GONE);
  const auto covered = cover_lendable(0, 2);
  CHECK(covered.bell == nullptr);
  CHECK(covered.extents.size() == 1);
  const auto part = Fixture::cover_lendable(memory + kPage, kPage);
  CHECK(part.bell == nullptr);
  CHECK(part.extents[0].first_page == 1);
  nicsim.refuse_after = 0;
  const auto refused = shared.cover(pages.page(4), kPage, SharedSegments::Lending::kIfPossible);
  CHECK(refused.verdict.status == VMMC_ERR_NICSIM_GONE);
  CHECK_FALSE(is_shared(pages.page(4)));
  CHECK(pages.holds_pattern());
}

TEST_CASE_FIXTURE(LendingFixture, "memory that cannot be shared cannot be lent either") {
  const auto covered = shared.cover(pages.page(7), 2 * kPage, SharedSegments::Lending::kIfPossible);
  CHECK(covered.verdict.status == VMMC_ERR_BAD_MEMORY);
  CHECK(covered.bell == nullptr);
  CHECK_FALSE(is_shared(pages.page(7)));
  CHECK(nicsim.segments.empty());
}

TEST_CASE_FIXTURE(LendingFixture, "bells outlive the end of everything, and mean nothing then") {
  const auto covered = cover_lendable(0, 2);
  const auto importer = nicsim.lend(covered);
  shared.release_all();
  CHECK_FALSE(shared.find_bell(pages.data()).has_value());
  CHECK(pages.holds_pattern());
  covered.bell->armed = 1;
  CHECK(bell_of(*importer).armed == 0);
  importer->data[0] = std::byte{1};
  CHECK(pages.holds_pattern());
  CHECK(cover_lendable(0, 2).bell != nullptr);
}

TEST_CASE_FIXTURE(LendingFixture, "a forked child shares neither the buffers nor their bells") {
  std::byte* const memory = allocate(2 * kPage);
  memory[1] = std::byte{1};
  const auto allocated = Fixture::cover_lendable(memory, 2 * kPage);
  const auto covered = cover_lendable(0, 2);
  covered.bell->rings = 3;
  shared.before_fork();
  const int status = run_in_child([&] {
    shared.make_private_after_fork();
    if (is_shared(memory) || is_shared(pages.data()) || memory[1] != std::byte{1}) return 1;
    if (is_shared(covered.bell) || is_shared(allocated.bell)) return 2;
    if (shared.find_bell(pages.data())) return 3;
    covered.bell->rings = 4;
    const auto own = shared.cover(pages.data(), kPage, SharedSegments::Lending::kIfPossible);
    if (own.bell == nullptr) return 4;
    own.bell->armed = 1;
    const auto importer = nicsim.lend(own);
    if (bell_of(*importer).armed != 1 || importer->data[0] != pages.data()[0]) return 5;
    return shared.release(pages.data(), kPage, true).ok() && !is_shared(pages.data()) ? 0 : 6;
  });
  shared.after_fork_in_parent();
  CHECK(ended_with(status, 0));
  CHECK(covered.bell->rings == 3);
  CHECK(covered.bell->armed == 0);
  CHECK(allocated.bell->armed == 0);
  bell_of(*nicsim.lend(covered)).armed = 2;
  CHECK(covered.bell->armed == 2);
}

// Of many buffers each in a segment of its own, as of many small exports.
TEST_CASE_FIXTURE(LendingFixture, "a buffer costs the same however many there are") {
  constexpr std::size_t kMany = 1500;
  constexpr std::size_t kPart = 100;
  std::vector<std::byte*> buffers;
  std::vector<std::uint64_t> stores;  // for each step of one buffer
  const auto step = [&](auto action) {
    const std::uint64_t before = shared.index_stores();
    action();
    stores.push_back(shared.index_stores() - before);
  };
  const auto is_flat = [&] {
    std::uint64_t last = 0;
    for (std::size_t i = kMany - kPart; i < kMany; ++i) last += stores[i];
    stores.clear();
    return last < kPart * 400;
  };
  for (std::size_t i = 0; i < kMany; ++i) step([&] { buffers.push_back(allocate(kPage)); });
  CHECK(is_flat());
  for (std::byte* buffer : buffers) step([&] { Fixture::cover_lendable(buffer, kPage); });
  CHECK(is_flat());
  for (std::byte* buffer : buffers) step([&] { CHECK(shared.release(buffer, kPage, true).ok()); });
  CHECK(is_flat());
  for (std::size_t i = 0; i < kMany; i += 500) CHECK_FALSE(is_shared(buffers[i]));
  for (std::byte* buffer : buffers) step([&] { CHECK(shared.free(buffer).ok()); });
  CHECK(is_flat());
  CHECK(nicsim.segments.empty());
}

}  // namespace
}  // namespace vmmc::internal
