// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The registration cache against a model that looks at every page one by one.

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "vmmc/internal/memory/registration_cache_fixture.h"

namespace vmmc::internal {
namespace {

// Bytes and pages are counted from the start of the fixture's memory.
class Model {
 public:
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t evictions = 0;
  std::size_t limit = RegistrationCache::kDefaultLimit;

  explicit Model(std::size_t pages) : exports_(pages, 0) {}

  bool shared(std::size_t page) const { return exports_[page] > 0 || holder(page) != nullptr; }
  std::size_t pinned_bytes() const {
    std::size_t pages = 0;
    for (const auto& [begin, region] : regions_)
      for (const Chunk& chunk : region.chunks) pages += chunk.pinned.size();
    return pages * kPage;
  }
  const std::vector<int>& exports() const { return exports_; }
  void change_exports(std::size_t begin, std::size_t length, int by) {
    for (std::size_t page = begin / kPage; page <= (begin + length - 1) / kPage; ++page)
      exports_[page] += by;
  }

  bool add(std::size_t begin, std::size_t length) {
    for (const auto& [other, region] : regions_)
      if (begin < region.end && other < begin + length) return false;
    const std::size_t first = begin / kPage;
    const std::size_t bytes = begin + length - first * kPage;
    const std::size_t count = std::max<std::size_t>(1, (2 * bytes + kChunk) / (2 * kChunk));
    Region region{begin + length, lowest_free_number(count), {}};
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t end =
          i + 1 < count ? first + (i + 1) * kChunkPages : (begin + length + kPage - 1) / kPage;
      region.chunks.push_back({first + i * kChunkPages, end, 0, {}});
    }
    regions_[begin] = region;
    return true;
  }
  bool remove(std::size_t begin) { return regions_.erase(begin) == 1; }
  const auto& regions() const { return regions_; }

  bool prepare(std::size_t begin, std::size_t length) {
    std::size_t registered = 0;
    while (registered < length && region_at(begin + registered) != nullptr) ++registered;
    if (registered > 0) use(begin, registered);
    return stands(begin, length);
  }

  void set_limit(std::size_t bytes) {
    limit = bytes;
    evict(bytes, {});
  }

 private:
  struct Chunk {
    std::size_t first;
    std::size_t end;
    std::uint64_t last_use;
    std::set<std::size_t> pinned;
  };
  struct Region {
    std::size_t end;
    std::size_t number;  // of the first chunk: decides between chunks of the same last use
    std::vector<Chunk> chunks;
  };

  const Chunk* holder(std::size_t page) const {
    for (const auto& [begin, region] : regions_)
      for (const Chunk& chunk : region.chunks)
        if (chunk.pinned.contains(page)) return &chunk;
    return nullptr;
  }
  const Region* region_at(std::size_t byte) const {
    for (const auto& [begin, region] : regions_)
      if (begin <= byte && byte < region.end) return &region;
    return nullptr;
  }
  bool stands(std::size_t begin, std::size_t length) const {
    for (std::size_t page = begin / kPage; page <= (begin + length - 1) / kPage; ++page)
      if (!shared(page)) return false;
    return true;
  }
  std::size_t lowest_free_number(std::size_t count) const {
    for (std::size_t number = 0;; ++number) {
      bool free = true;
      for (const auto& [begin, region] : regions_)
        free = free &&
               (number + count <= region.number || region.number + region.chunks.size() <= number);
      if (free) return number;
    }
  }

  void use(std::size_t begin, std::size_t length) {
    ++time_;
    std::vector<Chunk*> wanted;
    for (auto& [first_byte, region] : regions_) {
      for (Chunk& chunk : region.chunks) {
        const std::size_t low = std::max({begin, first_byte, chunk.first * kPage});
        const std::size_t high = std::min({begin + length, region.end, chunk.end * kPage});
        if (low < high) wanted.push_back(&chunk);
      }
    }
    for (Chunk* chunk : wanted) chunk->last_use = time_;
    if (stands(begin, length)) {
      ++hits;
      return;
    }
    ++misses;
    if (length <= limit) pin(wanted);
  }

  void pin(const std::vector<Chunk*>& wanted) {
    std::map<std::size_t, Chunk*> missing;
    std::size_t stays = 0;
    for (Chunk* chunk : wanted) {
      stays += chunk->pinned.size();
      for (std::size_t page = chunk->first; page < chunk->end; ++page)
        if (!shared(page)) missing.emplace(page, chunk);
    }
    if ((stays + missing.size()) * kPage > limit) return;
    evict(limit - missing.size() * kPage, wanted);
    for (const auto& [page, chunk] : missing) chunk->pinned.insert(page);
  }

  void evict(std::size_t bytes_left, const std::vector<Chunk*>& except) {
    while (pinned_bytes() > bytes_left) {
      Chunk* oldest = nullptr;
      std::pair<std::uint64_t, std::size_t> rank;
      for (auto& [begin, region] : regions_) {
        for (std::size_t i = 0; i < region.chunks.size(); ++i) {
          Chunk& chunk = region.chunks[i];
          const std::pair<std::uint64_t, std::size_t> own{chunk.last_use, region.number + i};
          if (chunk.pinned.empty() || std::count(except.begin(), except.end(), &chunk) > 0)
            continue;
          if (oldest == nullptr || own < rank) {
            oldest = &chunk;
            rank = own;
          }
        }
      }
      must(oldest != nullptr, "what does not fit is not tried");
      oldest->pinned.clear();
      ++evictions;
    }
  }

  std::vector<int> exports_;  // of each page
  std::map<std::size_t, Region> regions_;
  std::uint64_t time_ = 0;
};

struct Span {
  std::size_t begin;
  std::size_t length;
};

// Random operations on both; what each answers must be the same.
class Comparison : public CacheFixture {
 public:
  explicit Comparison(std::uint32_t seed) : random_(seed) {}

  void step() {
    const std::size_t choice = below(100);
    if (choice < 8) return add_one();
    if (choice < 12) return remove_one();
    if (choice < 18) return change_limit();
    if (choice < 26) return export_one();
    if (choice < 34) return unexport_one();
    const Span span = any(kChunk + kChunk / 2);
    CHECK(prepare(span.begin, span.length) == model_.prepare(span.begin, span.length));
  }

  void compare() {
    const RegistrationCache::Counters counters = cache.counters();
    CHECK(counters.hits == model_.hits);
    CHECK(counters.misses == model_.misses);
    CHECK(counters.evictions == model_.evictions);
    CHECK(counters.pinned_bytes == model_.pinned_bytes());
    CHECK(counters.pinned_bytes <= model_.limit);
    std::size_t different = 0;
    for (std::size_t page = 0; page < model_.exports().size(); ++page)
      different += stands(page * kPage, kPage) != model_.shared(page) ? 1 : 0;
    CHECK(different == 0);
  }

  // For the end: nothing remains.
  void give_up_all() {
    while (!exports_.empty()) unexport_one();
    cache.release_all();
    CHECK(nicsim.segments.empty());
    CHECK(pages.holds_pattern());
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }
  Span any(std::size_t longest) {
    const std::size_t begin = below(pages.bytes());
    return {begin, 1 + below(std::min(longest, pages.bytes() - begin))};
  }

  void add_one() {
    Span span = any(2 * kChunk);
    // Often right behind another one.
    if (!model_.regions().empty() && below(2) == 0) {
      const std::size_t end = model_.regions().begin()->second.end;
      if (end < pages.bytes()) span = {end, 1 + below(pages.bytes() - end)};
    }
    CHECK(add(span.begin, span.length) == model_.add(span.begin, span.length));
  }
  void remove_one() {
    std::size_t begin = below(pages.bytes());
    if (!model_.regions().empty()) {
      auto region = model_.regions().begin();
      std::advance(region, below(model_.regions().size()));
      begin = region->first;
    }
    CHECK((cache.remove(pages.data() + begin) == VMMC_OK) == model_.remove(begin));
  }
  void change_limit() {
    const std::size_t limit = below(5) * kChunk + below(3) * 100 * kPage;
    cache.set_limit(limit);
    model_.set_limit(limit);
  }
  void export_one() {
    const Span span = any(kChunk);
    if (!shared.cover(pages.data() + span.begin, span.length).verdict.ok()) return;  // in pieces
    exports_.push_back(span);
    model_.change_exports(span.begin, span.length, 1);
  }
  void unexport_one() {
    if (exports_.empty()) return;
    const Span span = exports_.back();
    exports_.pop_back();
    shared.release(pages.data() + span.begin, span.length);
    model_.change_exports(span.begin, span.length, -1);
  }

  std::mt19937 random_;
  Model model_{6 * kChunkPages};
  std::vector<Span> exports_;
};

TEST_CASE("random operations have the effect that a model says") {
  const Watchdog watchdog;
  const std::uint32_t seed = std::random_device()();
  CAPTURE(seed);
  MESSAGE("seed " << seed);
  for (std::uint32_t round = 0; round < 10; ++round) {
    Comparison both(seed + round);
    for (int i = 0; i < 300; ++i) {
      CAPTURE(i);
      both.step();
      both.compare();
    }
    both.give_up_all();
  }
}

}  // namespace
}  // namespace vmmc::internal
