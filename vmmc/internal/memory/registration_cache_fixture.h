// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of RegistrationCache start from: pages of the program, in chunks.
#pragma once

#include <string>

#include "vmmc/internal/memory/registration_cache.h"
#include "vmmc/internal/memory/shared_segments_fixture.h"

namespace vmmc::internal {

inline constexpr std::size_t kChunk = RegistrationCache::kChunkBytes;
inline constexpr std::size_t kChunkPages = kChunk / kPage;

struct CacheFixture {
  TestPages pages{6 * kChunkPages};  // outlives what is pinned of it
  FakeRegistrar nicsim;
  SharedSegments shared{nicsim};
  RegistrationCache cache{shared};

  ~CacheFixture() { cache.release_all(); }

  std::byte* chunk(std::size_t number) const { return pages.data() + number * kChunk; }
  bool add(std::size_t offset, std::size_t length) {
    return cache.add(pages.data() + offset, length) == VMMC_OK;
  }
  bool prepare(std::size_t offset, std::size_t length) {
    return cache.prepare(pages.data() + offset, length);
  }
  bool stands(std::size_t offset, std::size_t length) const {
    while (length > 0) {
      const auto part = shared.find_prefix(pages.data() + offset, length);
      if (!part) return false;
      offset += part->length;
      length -= part->length;
    }
    return true;
  }
  // A transfer of one byte of a chunk.
  void use(std::size_t number) { CHECK(cache.prepare(chunk(number) + 5, 1)); }
  // A character for each chunk, '#' for those that stand in segments.
  std::string picture() const {
    std::string text;
    for (std::size_t i = 0; i < 6; ++i) text += stands(i * kChunk, kChunk) ? '#' : '.';
    return text;
  }
};

}  // namespace vmmc::internal
