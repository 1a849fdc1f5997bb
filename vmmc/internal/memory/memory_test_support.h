// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of this folder share: pages of their own, children that may die, a watchdog.
#pragma once

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "vmmc/internal/memory/memory_map.h"

namespace vmmc::internal {

inline constexpr std::size_t kPage = wire::kPageSize;

// Ends the process if a test hangs.
struct Watchdog {
  explicit Watchdog(unsigned seconds = 240) { ::alarm(seconds); }
  ~Watchdog() { ::alarm(0); }
};

// Ends the test program: for what cannot be checked in a way that goes on.
inline void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "must hold: %s\n", what);
  std::abort();
}

// Private anonymous pages, filled with a pattern; the pages around them are not mapped.
class TestPages {
 public:
  explicit TestPages(std::size_t pages) : bytes_(pages * kPage) {
    void* all = ::mmap(nullptr, bytes_ + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(all != MAP_FAILED, "there is memory");
    data_ = static_cast<std::byte*>(all) + kPage;
    must(::mprotect(data_, bytes_, PROT_READ | PROT_WRITE) == 0, "memory can be made writable");
    ::munmap(all, kPage);
    ::munmap(data_ + bytes_, kPage);
    for (std::size_t i = 0; i < words(); ++i) word(i) = pattern(i);
  }
  ~TestPages() { ::munmap(data_, bytes_); }
  TestPages(const TestPages&) = delete;
  TestPages& operator=(const TestPages&) = delete;

  std::byte* data() const { return data_; }
  std::byte* page(std::size_t number) const { return data_ + number * kPage; }
  std::size_t bytes() const { return bytes_; }
  PageRange range() const { return pages_around(reinterpret_cast<std::uintptr_t>(data_), bytes_); }
  PageRange range(std::size_t first, std::size_t pages) const {
    return pages_around(reinterpret_cast<std::uintptr_t>(page(first)), pages * kPage);
  }

  std::size_t words() const { return bytes_ / sizeof(std::uint64_t); }
  volatile std::uint64_t& word(std::size_t index) const {
    return reinterpret_cast<volatile std::uint64_t*>(data_)[index];
  }
  static std::uint64_t pattern(std::size_t index) { return 0x9e3779b97f4a7c15 * (index + 1); }
  bool holds_pattern() const {
    for (std::size_t i = 0; i < words(); ++i) {
      if (word(i) != pattern(i)) return false;
    }
    return true;
  }

 private:
  std::byte* data_;
  std::size_t bytes_;
};

// The kernel's view of the page at `address`.
inline bool is_shared(const void* address) {
  const auto map = MemoryMap::read();
  must(map.ok(), "the map can be read");
  const MemoryRegion* region = map.value().region_at(reinterpret_cast<std::uintptr_t>(address));
  return region != nullptr && region->shared;
}
inline bool is_mapped(const void* address) {
  const auto map = MemoryMap::read();
  must(map.ok(), "the map can be read");
  return map.value().region_at(reinterpret_cast<std::uintptr_t>(address)) != nullptr;
}

// Runs `code` in a forked child and returns the wait status; the child ends with the number that
// `code` returns.
template <typename Code>
int run_in_child(Code code) {
  const pid_t child = ::fork();
  must(child >= 0, "fork works");
  if (child == 0) {
    ::alarm(120);
    ::_exit(code());
  }
  int status = 0;
  must(::waitpid(child, &status, 0) == child, "the child can be waited for");
  return status;
}

inline bool ended_with(int status, int code) {
  return WIFEXITED(status) && WEXITSTATUS(status) == code;
}
inline bool killed_by(int status, int signal) {
  return WIFSIGNALED(status) && WTERMSIG(status) == signal;
}

}  // namespace vmmc::internal
