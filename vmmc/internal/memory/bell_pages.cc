// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/bell_pages.h"

#include <sys/mman.h>

#include <utility>

#include "platform/system_calls.h"

namespace vmmc::internal {
namespace {

using wire::kPageSize;

constexpr int kReadWrite = PROT_READ | PROT_WRITE;

bool put_private_page(void* page) {
  return platform::system_calls().mmap(page, kPageSize, kReadWrite,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                                       0) != MAP_FAILED;
}

}  // namespace

void* BellPages::Chunk::page(std::size_t place) const { return base + (place + 1) * kPageSize; }

BellPages::~BellPages() {
  for (const Chunk& chunk : chunks_) {
    const auto whole = [&chunk](std::size_t first, std::size_t pages) {
      platform::system_calls().munmap(chunk.base + first * kPageSize, pages * kPageSize);
    };
    // Around the places that belong to others now.
    std::size_t first = 0;
    for (std::size_t place = 0; place < chunk.places.size(); ++place) {
      if (chunk.places[place] != Place::kLost) continue;
      whole(first, place + 1 - first);
      first = place + 2;
    }
    whole(first, chunk.places.size() + 2 - first);
  }
}

// Null: there are no addresses.
BellPages::Chunk* BellPages::reserve() {
  chunks_.reserve(chunks_.size() + 1);
  for (std::size_t pages = kChunkPages; pages >= kLeastPages; pages /= 4) {
    Chunk chunk;
    chunk.places.resize(pages - 2, Place::kFree);
    chunk.free = chunk.places.size();
    void* base = platform::system_calls().mmap(nullptr, pages * kPageSize, PROT_NONE,
                                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) continue;
    chunk.base = static_cast<std::byte*>(base);
    chunks_.push_back(std::move(chunk));
    return &chunks_.back();
  }
  return nullptr;
}

platform::Result<wire::BufferBell*> BellPages::begin(int fd, std::size_t offset) {
  retire_stale();
  for (std::size_t number = 0;; ++number) {
    Chunk* chunk = number < chunks_.size() ? &chunks_[number] : reserve();
    if (chunk == nullptr) return platform::last_system_error("mmap");
    for (std::size_t i = 0; chunk->free > 0 && i < chunk->places.size(); ++i) {
      ++looks_;
      const std::size_t place = (chunk->next + i) % chunk->places.size();
      if (chunk->places[place] != Place::kFree) continue;
      void* page = platform::system_calls().mmap(chunk->page(place), kPageSize, kReadWrite,
                                                 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
                                                 static_cast<off_t>(offset));
      if (page == MAP_FAILED) return platform::last_system_error("mmap");
      chunk->places[place] = Place::kBell;
      --chunk->free;
      chunk->next = place + 1;
      return static_cast<wire::BufferBell*>(page);
    }
  }
}

void BellPages::end(wire::BufferBell* bell) {
  retire_stale();
  for (Chunk& chunk : chunks_) {
    const auto at = reinterpret_cast<std::byte*>(bell);
    if (at < chunk.base || at >= chunk.page(chunk.places.size())) continue;
    const std::size_t place = static_cast<std::size_t>(at - chunk.base) / kPageSize - 1;
    const bool replaced = put_private_page(bell);
    chunk.places[place] = replaced ? Place::kFree : Place::kStale;
    ++(replaced ? chunk.free : stale_);
    return;
  }
}

void BellPages::retire_stale() {
  if (stale_ == 0) return;
  for (Chunk& chunk : chunks_) {
    for (std::size_t place = 0; place < chunk.places.size(); ++place) {
      if (chunk.places[place] != Place::kStale || !put_private_page(chunk.page(place))) continue;
      chunk.places[place] = Place::kFree;
      ++chunk.free;
      --stale_;
    }
  }
}

void BellPages::make_private_after_fork() {
  for (Chunk& chunk : chunks_) {
    for (std::size_t place = 0; place < chunk.places.size(); ++place) {
      Place& now = chunk.places[place];
      if (now != Place::kBell && now != Place::kStale) continue;
      const bool replaced = put_private_page(chunk.page(place));
      if (!replaced) platform::system_calls().munmap(chunk.page(place), kPageSize);
      now = replaced ? Place::kFree : Place::kLost;
      chunk.free += replaced ? 1 : 0;
    }
  }
  stale_ = 0;
}

}  // namespace vmmc::internal
