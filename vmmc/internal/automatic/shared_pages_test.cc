// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/shared_pages.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "tests/support/faults/failing_system_calls.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using vmmc::internal::testing::Watchdog;

namespace {

constexpr std::size_t kPage = vmmc::wire::kPageSize;
constexpr std::size_t kPages = 3;

// The pages of a program, and what a host executor would have mapped: a buffer and its bell.
struct Fixture {
  std::byte* local = map(kPages, MAP_PRIVATE);
  std::byte* window = map(kPages + 1, MAP_SHARED);
  std::byte* exporter = again(window);  // another mapping of the buffer
  const Watchdog watchdog;

  Fixture() {
    std::memset(local, 0x11, kPages * kPage);
    std::memset(window, 0x22, kPages * kPage);
    CHECK(::madvise(window, (kPages + 1) * kPage, MADV_DONTFORK) == 0);
  }
  ~Fixture() {
    ::munmap(local, kPages * kPage);
    ::munmap(window, (kPages + 1) * kPage);
    ::munmap(exporter, (kPages + 1) * kPage);
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  PageRange pages() const {
    const auto begin = reinterpret_cast<std::uintptr_t>(local);
    return {begin, begin + kPages * kPage};
  }
  vmmc::platform::Result<SharedPages> take() const {
    return SharedPages::take(pages(), window, window + kPages * kPage);
  }
  bool all(const std::byte* memory, int value) const {
    return std::all_of(memory, memory + kPages * kPage,
                       [&](std::byte each) { return each == std::byte(value); });
  }

  static std::byte* map(std::size_t pages, int kind) {
    return static_cast<std::byte*>(
        ::mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0));
  }
  static std::byte* again(std::byte* shared) {
    return static_cast<std::byte*>(::mremap(shared, 0, (kPages + 1) * kPage, MREMAP_MAYMOVE));
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "the pages are the remote ones, also without the window, until given back") {
  SharedPages shared = std::move(take().value());
  CHECK(shared.are_remote());
  ::mmap(window, (kPages + 1) * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  CHECK(all(local, 0x22));
  local[5] = std::byte{7};
  CHECK(exporter[5] == std::byte{7});
  exporter[kPage] = std::byte{8};
  CHECK(local[kPage] == std::byte{8});
  shared.bell()->armed.store(1);
  CHECK(exporter[kPages * kPage] == std::byte{1});
  CHECK_FALSE(shared.give_back());
  CHECK_FALSE(shared.are_remote());
  CHECK(local[5] == std::byte{7});
  CHECK(local[kPage] == std::byte{8});
  exporter[5] = std::byte{9};
  local[6] = std::byte{1};
  CHECK(local[5] == std::byte{7});
  CHECK(exporter[6] == std::byte{0x22});
  shared.bell()->armed.store(2);
  CHECK(exporter[kPages * kPage] == std::byte{2});
}

TEST_CASE_FIXTURE(Fixture, "whichever system call fails, everything is as before") {
  std::optional<SharedPages> shared;
  unsigned failures = 0;
  for (unsigned n = 1; !shared; ++n) {
    CAPTURE(n);
    const vmmc::tests::FailingSystemCalls faults(n, ENOMEM);
    auto taken = take();
    if (taken.ok()) {
      shared.emplace(std::move(taken.value()));
      break;
    }
    ++failures;
    CHECK(taken.error().number == ENOMEM);
    CHECK(all(local, 0x11));
    local[0] = std::byte{0x11};
    CHECK(all(exporter, 0x22));
  }
  CHECK(failures == 4);
  CHECK(all(local, 0x22));
  failures = 0;
  for (unsigned n = 1; shared->are_remote(); ++n) {
    CAPTURE(n);
    const vmmc::tests::FailingSystemCalls faults(n, ENOMEM);
    const auto error = shared->give_back();
    if (!error) continue;
    ++failures;
    CHECK(error->number == ENOMEM);
    local[n] = std::byte{3};
    CHECK(exporter[n] == std::byte{3});
  }
  CHECK(failures >= 3);
  local[0] = std::byte{4};
  CHECK(exporter[0] == std::byte{0x22});
}

TEST_CASE_FIXTURE(Fixture, "a forked child gets private pages and no bell") {
  SharedPages shared = std::move(take().value());
  local[0] = std::byte{1};
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    const vmmc::wire::BufferBell* const bell = shared.bell();
    shared.make_private_in_child();
    local[0] = std::byte{2};
    const bool unmapped = ::msync(const_cast<vmmc::wire::BufferBell*>(bell), kPage, MS_ASYNC) != 0;
    ::_exit(unmapped && !shared.are_remote() && local[1] == std::byte{0x22} ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(exporter[0] == std::byte{1});
  local[2] = std::byte{5};
  CHECK(exporter[2] == std::byte{5});
  CHECK_FALSE(shared.give_back());
}
