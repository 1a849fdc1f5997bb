// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/segment_runs.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

namespace vmmc::internal {
namespace {

constexpr std::uintptr_t kPage = wire::kPageSize;
constexpr std::uintptr_t kFirstPage = 0x1000;  // of the address space that the tests use

PageRange pages(std::uintptr_t first, std::uintptr_t count) {
  return {(kFirstPage + first) * kPage, (kFirstPage + first + count) * kPage};
}

constexpr PageRange kAll{0, (kFirstPage << 20) * kPage};

// The same as SegmentRuns, page by page.
class NaiveRuns {
 public:
  static constexpr std::size_t kPages = 64;
  struct Page {
    std::uint32_t segment = 0;  // 0: none
    std::uint32_t number = 0;   // in the segment
    std::uint32_t users = 0;
    bool operator==(const Page&) const = default;
  };

  template <typename Change>
  void change(std::size_t first, std::size_t count, Change change) {
    for (std::size_t i = first; i < first + count; ++i) {
      if (pages_[i].segment != 0) change(pages_[i]);
    }
  }
  void insert(std::size_t first, std::size_t count, std::uint32_t segment, std::uint32_t number) {
    for (std::size_t i = 0; i < count; ++i)
      pages_[first + i] = {segment, number + static_cast<std::uint32_t>(i), 0};
  }
  bool is_free(std::size_t first, std::size_t count) const {
    return std::all_of(pages_ + first, pages_ + first + count,
                       [](const Page& page) { return page.segment == 0; });
  }
  const Page& page(std::size_t i) const { return pages_[i]; }

 private:
  Page pages_[kPages];
};

using Page = NaiveRuns::Page;

// Runs, page by page; `first` is the number of the page that the result starts with.
std::vector<Page> spread(const std::vector<SegmentRun>& runs, std::size_t first,
                         std::size_t count) {
  std::vector<Page> all(count);
  for (const SegmentRun& run : runs) {
    const std::size_t start = run.range.begin / kPage - kFirstPage - first;
    for (std::size_t i = 0; i < run.range.pages(); ++i) {
      Page& page = all.at(start + i);
      CHECK(page.segment == 0);  // runs are disjoint
      page = {run.segment, run.first_page + static_cast<std::uint32_t>(i), run.users};
    }
  }
  return all;
}

void check_whole(const SegmentRuns& runs, const NaiveRuns& naive) {
  std::vector<SegmentRun> all;
  for (const auto& [begin, run] : runs.all()) {
    CHECK(begin == run.range.begin);
    REQUIRE(run.range.begin < run.range.end);
    all.push_back(run);
  }
  const std::vector<Page> found = spread(all, 0, NaiveRuns::kPages);
  for (std::size_t i = 0; i < NaiveRuns::kPages; ++i) CHECK(found[i] == naive.page(i));
  for (std::size_t i = 1; i < all.size(); ++i) {
    const bool one_run = all[i - 1].range.end == all[i].range.begin &&
                         all[i - 1].segment == all[i].segment && all[i - 1].users == all[i].users &&
                         all[i - 1].first_page + all[i - 1].range.pages() == all[i].first_page;
    CHECK_FALSE(one_run);
  }
}

void check_entries(const SegmentRuns& runs, const NaiveRuns& naive) {
  std::size_t covered = 0;
  std::uintptr_t before = 0;
  for (const SegmentIndex::Entry& entry : runs.entries(kAll)) {
    CHECK(entry.range.begin >= before);
    before = entry.range.end;
    for (std::size_t i = 0; i < entry.range.pages(); ++i) {
      const Page& page = naive.page(entry.range.begin / kPage - kFirstPage + i);
      CHECK(entry.start.segment == page.segment);
      CHECK(entry.start.offset + i * kPage == page.number * kPage);
      ++covered;
    }
  }
  for (std::size_t i = 0; i < NaiveRuns::kPages; ++i) covered -= naive.page(i).segment != 0 ? 1 : 0;
  CHECK(covered == 0);
}

void check_part(const SegmentRuns& runs, const NaiveRuns& naive, std::size_t first,
                std::size_t count) {
  const PageRange part = pages(first, count);
  const std::vector<Page> found = spread(runs.within(part), first, count);
  std::vector<bool> is_gap(count);
  for (const PageRange& gap : runs.gaps(part)) {
    for (std::uintptr_t at = gap.begin; at < gap.end; at += kPage)
      is_gap.at(at / kPage - kFirstPage - first) = true;
  }
  std::vector<Page> in_extents;
  for (const wire::Extent& extent : runs.extents(part)) {
    for (std::uint32_t i = 0; i < extent.pages; ++i)
      in_extents.push_back({extent.segment, extent.first_page + i, 0});
  }
  std::size_t next = 0;
  bool used = false;
  for (std::size_t i = 0; i < count; ++i) {
    const Page& page = naive.page(first + i);
    CHECK(found[i] == page);
    CHECK(is_gap[i] == (page.segment == 0));
    used = used || page.users > 0;
    if (page.segment == 0) continue;
    REQUIRE(next < in_extents.size());
    CHECK(in_extents[next].segment == page.segment);
    CHECK(in_extents[next++].number == page.number);
  }
  CHECK(next == in_extents.size());
  CHECK(runs.has_users(part) == used);
}

TEST_CASE("random operations agree with a map of single pages") {
  const std::uint32_t seed = std::random_device()();
  CAPTURE(seed);
  MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  auto up_to = [&random](std::size_t highest) {
    return std::uniform_int_distribution<std::size_t>(0, highest)(random);
  };
  for (int round = 0; round < 100; ++round) {
    SegmentRuns runs;
    NaiveRuns naive;
    for (int operation = 0; operation < 60; ++operation) {
      const std::size_t first = up_to(NaiveRuns::kPages - 1);
      const std::size_t count = 1 + up_to(std::min<std::size_t>(NaiveRuns::kPages - first, 12) - 1);
      const PageRange range = pages(first, count);
      switch (up_to(3)) {
        case 0:
          if (!naive.is_free(first, count)) break;
          // The number follows from the place, so that neighbours may be one run.
          naive.insert(first, count, 7, static_cast<std::uint32_t>(first));
          runs.insert({range, 7, static_cast<std::uint32_t>(first), 0});
          break;
        case 1:
          naive.change(first, count, [](Page& page) { page = Page(); });
          runs.erase(range);
          break;
        case 2:
          naive.change(first, count, [](Page& page) { ++page.users; });
          runs.add_user(range);
          break;
        default:
          naive.change(first, count, [](Page& page) { page.users -= page.users > 0 ? 1 : 0; });
          runs.remove_user(range);
      }
      check_whole(runs, naive);
      check_entries(runs, naive);
      check_part(runs, naive, first, count);
    }
  }
}

TEST_CASE("neighbours of different segments stay apart") {
  SegmentRuns runs;
  runs.insert({pages(0, 2), 1, 0, 0});
  runs.insert({pages(2, 2), 2, 2, 0});
  CHECK(runs.all().size() == 2);
  CHECK(runs.entries(kAll).size() == 2);
  CHECK(runs.extents(pages(0, 4)).size() == 2);
}

TEST_CASE("runs that only differ in their users are one extent and one entry") {
  SegmentRuns runs;
  runs.insert({pages(0, 6), 1, 10, 0});
  runs.add_user(pages(2, 2));
  CHECK(runs.all().size() == 3);
  REQUIRE(runs.extents(pages(1, 5)).size() == 1);
  CHECK(runs.extents(pages(1, 5))[0].first_page == 11);
  CHECK(runs.extents(pages(1, 5))[0].pages == 5);
  CHECK(runs.entries(kAll).size() == 1);
  CHECK(runs.has_users(pages(3, 3)));
  CHECK_FALSE(runs.has_users(pages(4, 2)));
  CHECK(runs.all_have_users(pages(2, 2)));
  CHECK_FALSE(runs.all_have_users(pages(2, 3)));
  CHECK_FALSE(runs.all_have_users(pages(5, 2)));
  runs.add_user(pages(1, 1));
  CHECK(runs.all_have_users(pages(1, 3)));
}

TEST_CASE("pages that are in no run have no user") {
  SegmentRuns runs;
  runs.insert({pages(0, 2), 1, 0, 1});
  runs.insert({pages(3, 1), 1, 3, 1});
  CHECK(runs.all_have_users(pages(0, 2)));
  CHECK_FALSE(runs.all_have_users(pages(0, 4)));
}

TEST_CASE("neighbours that are one entry are found on both sides of a range") {
  SegmentRuns runs;
  runs.insert({pages(0, 4), 1, 0, 0});
  runs.insert({pages(4, 4), 2, 7, 0});
  runs.add_user(pages(1, 1));
  runs.add_user(pages(6, 1));
  CHECK(runs.with_neighbours(pages(1, 1)) == pages(0, 4));
  CHECK(runs.with_neighbours(pages(3, 1)) == pages(0, 4));
  CHECK(runs.with_neighbours(pages(3, 2)) == pages(0, 8));
  CHECK(runs.with_neighbours(pages(7, 9)) == pages(4, 12));
  CHECK(runs.with_neighbours(pages(8, 9)) == pages(8, 9));
  CHECK(runs.entries(pages(4, 4)).size() == 1);
  CHECK(runs.entries(pages(4, 4))[0].range == pages(4, 4));
  CHECK(runs.entries(pages(4, 4))[0].start.offset == 7 * kPage);
  CHECK(runs.entries(pages(8, 9)).empty());
  runs.erase(pages(2, 1));
  CHECK(runs.with_neighbours(pages(2, 1)) == pages(2, 1));
  CHECK(runs.with_neighbours(pages(1, 1)) == pages(0, 2));
}

}  // namespace
}  // namespace vmmc::internal
