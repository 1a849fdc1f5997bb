// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/bell_pages.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <set>
#include <vector>

#include "platform/shared_memory.h"
#include "tests/support/faults/failing_system_calls.h"
#include "vmmc/internal/memory/memory_test_support.h"

namespace vmmc::internal {
namespace {

// A memfd of two pages, the second one for a bell, and how an importer sees that.
struct Buffer {
  Buffer() : memory(std::move(platform::create_shared_memory("bell", 2 * kPage).value())) {
    void* mapped = ::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
    must(mapped != MAP_FAILED, "the memfd can be mapped");
    view = static_cast<std::byte*>(mapped);
  }
  ~Buffer() { ::munmap(view, 2 * kPage); }
  wire::BufferBell& importers() const { return *reinterpret_cast<wire::BufferBell*>(view + kPage); }

  platform::FileDescriptor memory;
  std::byte* view = nullptr;
};

wire::BufferBell* begin(BellPages& bells, const Buffer& buffer) {
  const auto bell = bells.begin(buffer.memory.get(), kPage);
  must(bell.ok(), "a bell can begin");
  return bell.value();
}

bool is_accessible(const void* address) {
  const auto map = MemoryMap::read();
  must(map.ok(), "the map can be read");
  const MemoryRegion* region = map.value().region_at(reinterpret_cast<std::uintptr_t>(address));
  must(region != nullptr, "something is mapped there");
  return region->readable || region->writable;
}

TEST_CASE("a bell is the importers' bell until its end, and then nobody's") {
  const Buffer buffer;
  BellPages bells;
  wire::BufferBell* const bell = begin(bells, buffer);
  bell->armed = 3;
  CHECK(buffer.importers().armed == 3);
  buffer.importers().rings = 9;
  CHECK(bell->rings == 9);
  CHECK(buffer.view[0] == std::byte{0});
  bells.end(bell);
  CHECK_FALSE(is_shared(bell));
  CHECK(bell->armed == 0);
  CHECK(bell->rings == 0);
  bell->armed = 1;  // a late store
  CHECK(buffer.importers().armed == 3);
  wire::BufferBell* const next = begin(bells, buffer);
  CHECK(next != bell);  // the late store cannot reach it
}

TEST_CASE("bells stand in chunks with a guard at either end") {
  const Buffer buffer;
  BellPages bells;
  std::set<std::uintptr_t> pages;
  for (std::size_t i = 0; i < BellPages::kChunkPages; ++i)
    pages.insert(reinterpret_cast<std::uintptr_t>(begin(bells, buffer)));
  CHECK(pages.size() == BellPages::kChunkPages);
  std::vector<std::uintptr_t> firsts;
  for (const std::uintptr_t page : pages) {
    if (!pages.contains(page - kPage)) firsts.push_back(page);
  }
  CHECK(firsts.size() == 2);  // two are in a second chunk
  for (const std::uintptr_t first : firsts) {
    std::uintptr_t after = first;
    while (pages.contains(after)) after += kPage;
    CHECK_FALSE(is_accessible(reinterpret_cast<void*>(first - kPage)));
    CHECK_FALSE(is_accessible(reinterpret_cast<void*>(after)));
  }
}

TEST_CASE("places are taken in turn, and again") {
  const Buffer buffer;
  BellPages bells;
  std::set<wire::BufferBell*> pages;
  for (std::size_t i = 0; i < 3 * BellPages::kChunkPages; ++i) {
    wire::BufferBell* const bell = begin(bells, buffer);
    CHECK(pages.insert(bell).second == (i < BellPages::kChunkPages - 2));
    bells.end(bell);
  }
}

TEST_CASE("whichever system call fails, no bell is half there") {
  const Buffer buffer;
  for (unsigned n = 1;; ++n) {
    CAPTURE(n);
    BellPages bells;
    const tests::FailingSystemCalls faults(n, ENOMEM);
    const auto bell = bells.begin(buffer.memory.get(), kPage);
    if (faults.failed_call() == nullptr) break;
    // Without the addresses for a whole chunk it does with less.
    CHECK(bell.ok() == (n == 1));
    if (!bell.ok()) CHECK(bell.error().number == ENOMEM);
  }
}

TEST_CASE("a bell whose page cannot be replaced at its end is replaced later") {
  const Buffer buffer;
  BellPages bells;
  wire::BufferBell* const first = begin(bells, buffer);
  wire::BufferBell* const second = begin(bells, buffer);
  {
    const tests::FailingSystemCalls faults(1, ENOMEM);
    bells.end(first);
    CHECK(faults.failed_call() != nullptr);
  }
  CHECK(is_shared(first));
  first->armed = 1;  // still harmless
  bells.end(second);
  CHECK_FALSE(is_shared(first));
  CHECK_FALSE(is_shared(second));
}

// Bells that can begin in a child that may map only so many pages more.
int bells_within(const Buffer& buffer, std::size_t pages) {
  BellPages bells;
  std::size_t mapped = 0;
  std::ifstream("/proc/self/statm") >> mapped;
  const rlimit limit{(mapped + pages) * kPage, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_AS, &limit) != 0) return -1;
  for (int begun = 0;; ++begun) {
    const auto bell = bells.begin(buffer.memory.get(), kPage);
    if (!bell.ok()) return bell.error().number == ENOMEM ? begun : -1;
  }
}

TEST_CASE("few addresses are enough for a few bells, and their lack is an error") {
  const Buffer buffer;
  CHECK(ended_with(run_in_child([&] { return bells_within(buffer, 0); }), 0));
  const int status = run_in_child([&] { return bells_within(buffer, 120); });
  CHECK(WIFEXITED(status));
  // A chunk of 64 pages, and smaller ones; memory for their administration may take some.
  CHECK(WEXITSTATUS(status) >= 62);
  CHECK(WEXITSTATUS(status) < 120);
}

TEST_CASE("a forked child has no bell of its parent, and may have its own") {
  const Buffer buffer;
  const Buffer childs;
  BellPages bells;
  wire::BufferBell* const ended = begin(bells, buffer);
  wire::BufferBell* const bell = begin(bells, buffer);
  bells.end(ended);
  bell->armed = 5;
  CHECK(ended_with(run_in_child([&] {
                     bells.make_private_after_fork();
                     if (is_shared(bell) || is_shared(ended)) return 1;
                     bell->armed = 6;
                     ended->armed = 6;
                     if (buffer.importers().armed != 5) return 2;
                     wire::BufferBell* const own = begin(bells, childs);
                     own->armed = 7;
                     return childs.importers().armed == 7 && bell->armed == 6 ? 0 : 3;
                   }),
                   0));
  CHECK(bell->armed == 5);
  CHECK(ended->armed == 0);
}

TEST_CASE("a child without memory loses the place rather than share it") {
  const Buffer buffer;
  auto bells = std::make_unique<BellPages>();
  wire::BufferBell* const bell = begin(*bells, buffer);
  wire::BufferBell* const other = begin(*bells, buffer);
  CHECK(ended_with(run_in_child([&] {
                     {
                       const tests::FailingSystemCalls faults(1, ENOMEM);
                       bells->make_private_after_fork();
                     }
                     if (is_mapped(bell) || !is_mapped(other) || is_shared(other)) return 1;
                     void* const own = ::mmap(bell, kPage, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
                     if (own != bell) return 2;
                     bells.reset();
                     return is_mapped(own) && !is_mapped(other) ? 0 : 3;
                   }),
                   0));
  CHECK(bell->armed == 0);
}

TEST_CASE("a bell costs the same however many there are") {
  const Buffer buffer;
  BellPages bells;
  constexpr int kMany = 3 * BellPages::kChunkPages;
  std::vector<wire::BufferBell*> begun;
  for (int i = 0; i < kMany; ++i) begun.push_back(begin(bells, buffer));
  CHECK(bells.looks() == kMany);
  // Full chunks with one place: that one, and no look at the others.
  bells.end(begun.front());
  const std::uint64_t before = bells.looks();
  CHECK(begin(bells, buffer) == begun.front());
  CHECK(bells.looks() - before <= BellPages::kChunkPages);
}

}  // namespace
}  // namespace vmmc::internal
