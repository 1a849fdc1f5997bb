// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/registration_cache.h"

#include <algorithm>
#include <csignal>
#include <iterator>
#include <new>
#include <utility>

#include "vmmc/internal/error.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {
namespace {

// In a chunk's stamp: the rest is the time when it could not be adopted.
constexpr std::uint64_t kRefused = std::uint64_t{1} << 63;

// The thread is inside a cache's mutex, or about to enter or just leaving: a signal handler that
// interrupted it there must not wait for the mutex. (A mutex cannot be asked whose it is.)
[[gnu::tls_model("initial-exec")]] thread_local volatile std::sig_atomic_t inside = 0;

void enter(std::mutex& mutex) {
  inside = 1;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  mutex.lock();
}

void leave(std::mutex& mutex) {
  mutex.unlock();
  std::atomic_signal_fence(std::memory_order_seq_cst);
  inside = 0;
}

const void* pointer(std::uintptr_t address) { return reinterpret_cast<const void*>(address); }

}  // namespace

class RegistrationCache::Turn {
 public:
  explicit Turn(std::mutex& mutex) : mutex_(mutex) { enter(mutex_); }
  ~Turn() { leave(mutex_); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::mutex& mutex_;
};

std::uint32_t RegistrationCache::Region::chunks() const {
  const std::size_t rounded = (end - first_page + kChunkBytes / 2) / kChunkBytes;
  return static_cast<std::uint32_t>(std::max<std::size_t>(rounded, 1));
}

std::uint32_t RegistrationCache::Region::chunk_at(std::uintptr_t address) const {
  const auto place = static_cast<std::uint32_t>((address - first_page) / kChunkBytes);
  return first_chunk + std::min(place, chunks() - 1);
}

PageRange RegistrationCache::Region::pages_of(std::uint32_t chunk) const {
  const std::size_t place = chunk - first_chunk;
  const std::uintptr_t begin = first_page + place * kChunkBytes;
  const bool last = place + 1 == chunks();
  return {begin, last ? round_up_to_page(end) : begin + kChunkBytes};
}

// ---- transfers

bool RegistrationCache::prepare(const void* source, std::size_t length) {
  const auto address = reinterpret_cast<std::uintptr_t>(source);
  const Use use = note_use(address, length);
  if (use.registered > 0 && !stands_in_segments(address, use.registered)) {
    if (use.refused || inside != 0 || use.registered > limit_.load(std::memory_order_relaxed)) {
      misses_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    pin(address, use.registered);
  }
  return stands_in_segments(address, length);
}

RegistrationCache::Use RegistrationCache::note_use(std::uintptr_t address, std::size_t length) {
  Use use;
  std::uint64_t now = 0;
  while (use.registered < length) {
    const std::uintptr_t next = address + use.registered;
    const auto part = index_.find_prefix(next, SIZE_MAX);
    if (!part) break;
    if (use.registered == 0) now = uses_.fetch_add(1, std::memory_order_relaxed) + 1;
    const Region region{next - part->start.offset, next + part->length, part->start.segment};
    const std::size_t used = std::min(length - use.registered, part->length);
    const std::uint32_t last = region.chunk_at(next + used - 1);
    for (std::uint32_t chunk = region.chunk_at(next); chunk <= last; ++chunk) {
      std::atomic<std::uint64_t>& stamp = last_use_[chunk];
      const std::uint64_t before = stamp.load(std::memory_order_relaxed);
      if ((before & kRefused) != 0 && now - (before & ~kRefused) <= kRetryAfter) {
        use.refused = true;
      } else {
        stamp.store(now, std::memory_order_relaxed);
      }
    }
    use.registered += used;
  }
  return use;
}

bool RegistrationCache::stands_in_segments(std::uintptr_t address, std::size_t length) const {
  while (length > 0) {
    const auto part = segments_.find_prefix(pointer(address), length);
    if (!part) return false;
    address += part->length;
    length -= part->length;
  }
  return true;
}

// Never fails: what is not pinned is staged.
void RegistrationCache::pin(std::uintptr_t address, std::size_t length) {
  try {
    const Turn turn(mutex_);
    const std::vector<Chunk> wanted = chunks_of(address, length);
    const std::vector<Missing> missing = missing_of(wanted);
    if (missing.empty()) return;  // pinned by another thread meanwhile
    misses_.fetch_add(1, std::memory_order_relaxed);
    if (make_room(wanted, missing)) pin_missing(missing);
  } catch (const std::bad_alloc&) {
    return;
  }
}

std::vector<RegistrationCache::Chunk> RegistrationCache::chunks_of(std::uintptr_t address,
                                                                   std::size_t length) const {
  std::vector<Chunk> found;
  auto next = regions_.upper_bound(address);
  if (next != regions_.begin()) --next;
  for (; next != regions_.end() && next->first < address + length; ++next) {
    const Region& region = next->second;
    if (region.end <= address) continue;
    const std::uint32_t last = region.chunk_at(std::min(address + length, region.end) - 1);
    for (std::uint32_t chunk = region.chunk_at(std::max(address, next->first)); chunk <= last;
         ++chunk) {
      found.push_back({chunk, region.pages_of(chunk)});
    }
  }
  return found;
}

// Chunks are sorted by address, and neighbours of two regions may share a page.
std::vector<RegistrationCache::Missing> RegistrationCache::missing_of(
    const std::vector<Chunk>& chunks) {
  std::vector<Missing> found;
  for (const Chunk& chunk : chunks) {
    for (PageRange gap : segments_.unshared(chunk.pages)) {
      if (!found.empty()) gap.begin = std::max(gap.begin, found.back().pages.end);
      if (gap.begin < gap.end) found.push_back({chunk.number, gap});
    }
  }
  return found;
}

// False if there is no room for what is missing beside what is pinned of the wanted chunks already.
bool RegistrationCache::make_room(const std::vector<Chunk>& wanted,
                                  const std::vector<Missing>& missing) {
  std::size_t bytes = 0;
  for (const Missing& part : missing) bytes += part.pages.bytes();
  std::size_t stays = 0;
  for (const Chunk& chunk : wanted) {
    const auto pinned = pinned_.find(chunk.number);
    if (pinned != pinned_.end()) stays += pinned->second.bytes;
  }
  const std::size_t limit = limit_.load(std::memory_order_relaxed);
  if (bytes + stays > limit) return false;
  evict_until(limit - bytes, wanted);
  return true;
}

void RegistrationCache::pin_missing(const std::vector<Missing>& missing) {
  std::vector<PageRange> ranges;
  std::map<std::uint32_t, Pinned> changed;
  std::size_t bytes = 0;
  for (const Missing& part : missing) {
    const auto [place, is_new] = changed.try_emplace(part.chunk);
    const auto before = pinned_.find(part.chunk);
    if (is_new && before != pinned_.end()) place->second = before->second;
    place->second.ranges.push_back(part.pages);
    place->second.bytes += part.pages.bytes();
    ranges.push_back(part.pages);
    bytes += part.pages.bytes();
  }
  if (!segments_.cover_pages(ranges).ok()) {
    const std::uint64_t now = uses_.load(std::memory_order_relaxed);
    for (const Missing& part : missing)
      last_use_[part.chunk].store(now | kRefused, std::memory_order_relaxed);
    return;
  }
  for (const auto& [chunk, pinned] : changed) pinned_.erase(chunk);
  pinned_.merge(changed);  // allocates nothing: there is no way back
  pinned_bytes_.fetch_add(bytes, std::memory_order_relaxed);
}

void RegistrationCache::evict_until(std::size_t bytes_left, const std::vector<Chunk>& except) {
  std::size_t bytes = pinned_bytes_.load(std::memory_order_relaxed);
  if (bytes <= bytes_left) return;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> by_use;
  std::vector<std::uint32_t> staying;
  for (const Chunk& chunk : except) staying.push_back(chunk.number);
  std::sort(staying.begin(), staying.end());
  for (const auto& [chunk, pinned] : pinned_) {
    if (std::binary_search(staying.begin(), staying.end(), chunk)) continue;
    by_use.emplace_back(last_use_[chunk].load(std::memory_order_relaxed) & ~kRefused, chunk);
  }
  std::sort(by_use.begin(), by_use.end());
  std::vector<std::uint32_t> leaving;
  for (const auto& [time, chunk] : by_use) {
    if (bytes <= bytes_left) break;
    bytes -= pinned_[chunk].bytes;
    leaving.push_back(chunk);
  }
  evictions_.fetch_add(leaving.size(), std::memory_order_relaxed);
  unpin(leaving);
}

void RegistrationCache::unpin(const std::vector<std::uint32_t>& chunks) {
  if (chunks.empty()) return;
  std::vector<PageRange> ranges;
  std::size_t bytes = 0;
  for (const std::uint32_t chunk : chunks) {
    const Pinned& pinned = pinned_[chunk];
    ranges.insert(ranges.end(), pinned.ranges.begin(), pinned.ranges.end());
    bytes += pinned.bytes;
  }
  segments_.release_pages(ranges);
  for (const std::uint32_t chunk : chunks) pinned_.erase(chunk);
  pinned_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
}

// ---- regions

int RegistrationCache::add(const void* address, std::size_t length) {
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  if (address == nullptr) return fail(VMMC_ERR_INVALID_ARGUMENT, "address is a null pointer");
  if (length == 0) return fail(VMMC_ERR_ZERO_LENGTH, "a region of zero bytes");
  if (begin > UINTPTR_MAX - length) {
    return fail(VMMC_ERR_LENGTH_OVERFLOW, "%zu bytes from %p go past the end of the address space",
                length, address);
  }
  const Turn turn(mutex_);
  for (const auto& [other, region] : regions_) {
    if (begin < region.end && other < begin + length) {
      return fail(VMMC_ERR_OVERLAP, "%zu bytes from %p overlap a region of %zu bytes from %p",
                  length, address, region.end - other, pointer(other));
    }
  }
  if (const SegmentVerdict verdict = segments_.check(address, length); !verdict.ok()) {
    return fail(verdict.status, "%zu bytes from %p cannot be registered: %s", length, address,
                verdict.detail.c_str());
  }
  Region region{round_down_to_page(begin), begin + length, 0};
  region.first_chunk = free_chunk_numbers(region.chunks());
  last_use_.grow(std::size_t{region.first_chunk} + region.chunks());
  for (std::uint32_t i = 0; i < region.chunks(); ++i)
    last_use_[region.first_chunk + i].store(0, std::memory_order_relaxed);
  regions_.emplace(begin, region);
  publish();
  return VMMC_OK;
}

std::uint32_t RegistrationCache::free_chunk_numbers(std::uint32_t count) const {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> taken;
  for (const auto& [begin, region] : regions_)
    taken.emplace_back(region.first_chunk, region.chunks());
  std::sort(taken.begin(), taken.end());
  std::uint32_t next = 0;
  for (const auto& [first, chunks] : taken) {
    if (first - next >= count) break;
    next = first + chunks;
  }
  return next;
}

int RegistrationCache::remove(const void* address) {
  const Turn turn(mutex_);
  const auto found = regions_.find(reinterpret_cast<std::uintptr_t>(address));
  if (found == regions_.end())
    return fail(VMMC_ERR_UNKNOWN_REGISTRATION, "no region was registered from %p on", address);
  const Region region = found->second;
  regions_.erase(found);
  publish();
  std::vector<std::uint32_t> leaving;
  const auto end = pinned_.lower_bound(region.first_chunk + region.chunks());
  for (auto chunk = pinned_.lower_bound(region.first_chunk); chunk != end; ++chunk)
    leaving.push_back(chunk->first);
  unpin(leaving);
  return VMMC_OK;
}

void RegistrationCache::release_all() {
  const Turn turn(mutex_);
  regions_.clear();
  publish();
  std::vector<std::uint32_t> leaving;
  for (const auto& [chunk, pinned] : pinned_) leaving.push_back(chunk);
  unpin(leaving);
}

void RegistrationCache::publish() {
  std::vector<SegmentIndex::Entry> entries;
  for (const auto& [begin, region] : regions_) {
    entries.push_back(
        {{begin, region.end}, {region.first_chunk, std::uint64_t{begin - region.first_page}}});
  }
  index_.publish(entries);
}

void RegistrationCache::set_limit(std::size_t bytes) {
  const Turn turn(mutex_);
  limit_.store(bytes, std::memory_order_relaxed);
  evict_until(bytes, {});
}

RegistrationCache::Counters RegistrationCache::counters() const {
  // Misses first: a transfer is a use before it is a miss.
  const std::uint64_t misses = misses_.load(std::memory_order_acquire);
  return {uses_.load(std::memory_order_relaxed) - misses, misses,
          evictions_.load(std::memory_order_relaxed),
          pinned_bytes_.load(std::memory_order_relaxed)};
}

void RegistrationCache::before_fork() { enter(mutex_); }
void RegistrationCache::after_fork() { leave(mutex_); }

}  // namespace vmmc::internal
