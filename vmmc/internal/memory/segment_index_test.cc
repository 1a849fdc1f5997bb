// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/segment_index.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace vmmc::internal {
namespace {

constexpr std::uintptr_t kPage = wire::kPageSize;

SegmentIndex::Entry entry(std::uintptr_t first_page, std::uintptr_t pages, std::uint32_t segment,
                          std::uint64_t offset) {
  return {{first_page * kPage, (first_page + pages) * kPage}, {segment, offset}};
}

TEST_CASE("an empty index finds nothing") {
  const SegmentIndex index;
  CHECK_FALSE(index.find(0, 1).has_value());
  CHECK_FALSE(index.find(UINTPTR_MAX, 1).has_value());
}

TEST_CASE("bytes are found if all of them lie in one entry") {
  SegmentIndex index;
  index.publish(std::vector{entry(10, 2, 1, 0), entry(12, 1, 2, 5 * kPage), entry(20, 1, 3, 0)});
  auto find = [&index](std::uintptr_t address, std::size_t length) {
    return index.find(address, length);
  };
  REQUIRE(find(10 * kPage, 2 * kPage).has_value());
  CHECK(find(10 * kPage, 2 * kPage)->segment == 1);
  CHECK(find(10 * kPage, 2 * kPage)->offset == 0);
  REQUIRE(find(12 * kPage + 7, 9).has_value());
  CHECK(find(12 * kPage + 7, 9)->segment == 2);
  CHECK(find(12 * kPage + 7, 9)->offset == 5 * kPage + 7);
  CHECK(find(21 * kPage - 1, 1).has_value());
  CHECK_FALSE(find(10 * kPage - 1, 1).has_value());
  CHECK_FALSE(find(10 * kPage - 1, 8).has_value());
  CHECK_FALSE(find(12 * kPage - 1, 2).has_value());  // two entries
  CHECK_FALSE(find(13 * kPage, 1).has_value());
  CHECK_FALSE(find(21 * kPage - 1, 2).has_value());
  CHECK_FALSE(find(20 * kPage, SIZE_MAX).has_value());
}

TEST_CASE("a bell goes with its entry") {
  SegmentIndex index;
  wire::BufferBell bell{};
  SegmentIndex::Entry with_bell = entry(10, 2, 1, 0);
  with_bell.bell = &bell;
  index.publish(std::vector{with_bell, entry(12, 1, 2, 0)});
  CHECK(index.find_prefix(11 * kPage, 1)->bell == &bell);
  CHECK(index.find_prefix(12 * kPage, 1)->bell == nullptr);
  index.publish(std::vector{entry(10, 2, 1, 0)});
  CHECK(index.find_prefix(11 * kPage, 1)->bell == nullptr);
}

TEST_CASE("a prefix is what of the bytes lies in the first entry") {
  SegmentIndex index;
  index.publish(std::vector{entry(10, 2, 1, 0), entry(12, 1, 2, 5 * kPage)});
  const auto part = index.find_prefix(11 * kPage + 8, 9 * kPage);
  REQUIRE(part.has_value());
  CHECK(part->start.segment == 1);
  CHECK(part->start.offset == kPage + 8);
  CHECK(part->length == kPage - 8);
  CHECK(index.find_prefix(12 * kPage, 100)->length == 100);
  CHECK(index.find_prefix(12 * kPage, SIZE_MAX)->length == kPage);
  CHECK_FALSE(index.find_prefix(13 * kPage, 1).has_value());
  CHECK_FALSE(index.find_prefix(10 * kPage - 1, 2).has_value());
}

TEST_CASE("publish replaces, clear empties, and both work again after the table has grown") {
  SegmentIndex index;
  std::vector<SegmentIndex::Entry> many;
  for (std::uint32_t i = 0; i < 1000; ++i) many.push_back(entry(2 * i + 1, 1, i, i));
  for (int round = 0; round < 2; ++round) {
    index.publish(many);
    for (std::uint32_t i = 0; i < 1000; ++i) {
      REQUIRE(index.find((2 * i + 1) * kPage, kPage).has_value());
      CHECK(index.find((2 * i + 1) * kPage, kPage)->segment == i);
      CHECK_FALSE(index.find((2 * i + 2) * kPage, 1).has_value());
    }
    index.publish(std::vector{entry(5, 1, 77, 0)});
    CHECK(index.find(5 * kPage, 1)->segment == 77);
    CHECK_FALSE(index.find(3 * kPage, 1).has_value());
    index.clear();
    CHECK_FALSE(index.find(5 * kPage, 1).has_value());
  }
}

TEST_CASE("random changes of parts leave what a plain list of pages says") {
  constexpr std::uint32_t kPages = 3000;
  const std::uint32_t seed = std::random_device()();
  CAPTURE(seed);
  MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  SegmentIndex index;
  std::vector<std::uint32_t> segments(kPages, 0);  // of each page; 0: none
  std::vector<std::uint64_t> offsets(kPages, 0);
  std::uint32_t next = 1;
  for (int round = 0; round < 3000; ++round) {
    // First it fills, then it empties.
    const std::uint32_t first = random() % kPages;
    const std::uint32_t end = std::min<std::uint32_t>(kPages, first + 1 + random() % 40);
    std::vector<SegmentIndex::Entry> entries;
    for (std::uint32_t page = first; page < end;) {
      const std::uint32_t stop = std::min<std::uint32_t>(end, page + 1 + random() % 3);
      const bool there = random() % 3000 > static_cast<std::uint32_t>(round);
      if (there) entries.push_back(entry(page + 1, stop - page, next, kPage * next));
      for (std::uint32_t start = page; page < stop; ++page) {
        segments[page] = there ? next : 0;
        offsets[page] = (std::uint64_t{next} + page - start) * kPage;
      }
      ++next;
    }
    index.update({(first + 1) * kPage, (end + 1) * kPage}, entries);
    if (round % 100 != 99) continue;
    for (std::uint32_t page = 0; page < kPages; ++page) {
      const auto found = index.find((page + 1) * kPage, kPage);
      REQUIRE(found.has_value() == (segments[page] != 0));
      if (!found) continue;
      REQUIRE(found->segment == segments[page]);
      REQUIRE(found->offset == offsets[page]);
    }
  }
  index.clear();
  for (std::uint32_t page = 0; page < kPages; ++page)
    REQUIRE_FALSE(index.find((page + 1) * kPage, 1));
}

TEST_CASE("a change costs the same however many entries there are, wherever it is") {
  constexpr std::uint32_t kMany = 16000;
  constexpr std::uint32_t kPart = 500;
  for (const char* order : {"upwards", "downwards", "mixed"}) {
    CAPTURE(order);
    const auto page = [&](std::uint32_t i) -> std::uintptr_t {
      if (order[0] == 'u') return 1 + 2 * i;
      if (order[0] == 'd') return 1 + 2 * (kMany - i);
      return 1 + 2 * (i * 7919 % kMany);
    };
    SegmentIndex index;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    for (std::uint32_t i = 0; i < kMany; ++i) {
      const std::uint64_t before = index.stores();
      const auto one = entry(page(i), 1, i, 0);
      index.update(one.range, std::vector{one});
      if (i >= kMany / 10 && i < kMany / 10 + kPart) first += index.stores() - before;
      if (i >= kMany - kPart) last += index.stores() - before;
    }
    CHECK(last < 2 * first);
    CHECK(last < std::uint64_t{kPart} * 100);
    // And away again.
    const std::uint64_t before = index.stores();
    for (std::uint32_t i = 0; i < kMany; ++i) {
      index.update({page(i) * kPage, (page(i) + 1) * kPage}, {});
    }
    CHECK(index.stores() - before < std::uint64_t{kMany} * 100);
    CHECK_FALSE(index.find(page(0) * kPage, 1).has_value());
  }
}

// In generation g, each entry has its place, segment and offset from g, so that an answer made up
// out of two generations, or out of two entries, shows.
std::vector<SegmentIndex::Entry> generation(std::uint32_t g, std::size_t entries) {
  std::vector<SegmentIndex::Entry> all;
  for (std::uint32_t i = 0; i < entries; ++i)
    all.push_back(entry(1 + 4 * i + g % 3, 2, g, (std::uint64_t{g} << 32) + i));
  return all;
}

bool is_true_answer(const SegmentPosition& found, std::uintptr_t address) {
  const std::uintptr_t moved = address / kPage - 1 - found.segment % 3;
  const std::uint64_t start = (std::uint64_t{found.segment} << 32) + moved / 4;
  return moved % 4 < 2 && found.offset == start + (address - (address / kPage - moved % 4) * kPage);
}

// Looks at random addresses in `pages` pages and counts true and made up answers.
class Reader {
 public:
  Reader(const SegmentIndex& index, std::uint32_t seed, std::uintptr_t pages)
      : thread_([this, &index, seed, pages] {
          std::mt19937 random(seed);
          while (!done_) {
            const std::uintptr_t address = kPage + random() % (pages * kPage);
            const auto found = index.find(address, 1);
            if (!found) continue;
            ++(is_true_answer(*found, address) ? true_answers_ : made_up_);
          }
        }) {}
  std::uint64_t true_answers() const { return true_answers_; }
  std::uint64_t made_up() {
    done_ = true;
    thread_.join();
    return made_up_;
  }

 private:
  std::atomic<bool> done_{false};
  std::atomic<std::uint64_t> true_answers_{0};
  std::atomic<std::uint64_t> made_up_{0};
  std::thread thread_;
};

TEST_CASE("a reader never gets an answer made up out of two tables") {
  const std::uint32_t seed = std::random_device()();
  CAPTURE(seed);
  MESSAGE("seed " << seed);
  // Small and ready-made, so that several publications fall into one search.
  std::vector<std::vector<SegmentIndex::Entry>> ready;
  for (std::uint32_t g = 0; g < 50; ++g) ready.push_back(generation(g, 1 + g % 5));
  SegmentIndex index;
  Reader reader(index, seed, 24);
  // At least so many answers while the table changes all the time.
  for (std::uint64_t round = 0; round < 200000 || reader.true_answers() < 1000; ++round) {
    index.publish(ready[round % ready.size()]);
    if (round % 64 == 0) std::this_thread::yield();
  }
  CHECK(reader.made_up() == 0);
}

TEST_CASE("nor while tables are replaced by larger ones") {
  const std::uint32_t seed = std::random_device()();
  CAPTURE(seed);
  MESSAGE("seed " << seed);
  for (int round = 0; round < 10; ++round) {
    SegmentIndex index;
    Reader reader(index, seed, 4 * 600);
    for (std::uint32_t g = 0; g < 600 || reader.true_answers() == 0; ++g)
      index.publish(generation(g, std::min<std::uint32_t>(g, 600)));
    CHECK(reader.made_up() == 0);
  }
}

}  // namespace
}  // namespace vmmc::internal
