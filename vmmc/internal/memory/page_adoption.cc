// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/page_adoption.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "platform/system_calls.h"
#include "vmmc/internal/memory/fault_guard.h"

namespace vmmc::internal {
namespace {

std::mutex one_at_a_time;

constexpr int kReadWrite = PROT_READ | PROT_WRITE;

// Not memcpy, and not instrumented: to a sanitizer this copy would race with every store that other
// threads made to the pages before, and would read the guard zones between heap blocks.
__attribute__((noinline, no_sanitize("thread"), no_sanitize("address"))) void copy_pages(
    void* to, const void* from, std::size_t bytes) {
  using Word = std::uint64_t __attribute__((may_alias));
  auto* destination = static_cast<volatile Word*>(to);
  auto* source = static_cast<const volatile Word*>(from);
  for (std::size_t i = 0; i < bytes / sizeof(Word); ++i) destination[i] = source[i];
}

// Moves `replacement` over `range`, with the content of `range`. While the pages are guarded this
// thread stores to its stack, to errno and to `replacement` only: anything else of the process may
// lie on the very pages.
AdoptionError replace(PageRange range, void* replacement) {
  const std::lock_guard lock(one_at_a_time);
  const platform::SystemCalls& calls = platform::system_calls();
  if (auto error = install_fault_guard()) return error;
  // Changes nothing, but lets the dynamic linker look mremap up now: it notes what it found on a
  // page of globals, which may be among the pages.
  if (calls.mremap(replacement, range.bytes(), range.bytes(), 0, nullptr) == MAP_FAILED) {
    return platform::last_system_error("mremap");
  }
  const GuardedPages guard(range);
  if (calls.mprotect(range.data(), range.bytes(), PROT_READ) != 0) {
    const platform::SystemError error = platform::last_system_error("mprotect");
    calls.mprotect(range.data(), range.bytes(), kReadWrite);  // it may have done a part
    return error;
  }
  copy_pages(replacement, range.data(), range.bytes());
  if (calls.mremap(replacement, range.bytes(), range.bytes(), MREMAP_MAYMOVE | MREMAP_FIXED,
                   range.data()) == MAP_FAILED) {
    const platform::SystemError error = platform::last_system_error("mremap");
    calls.mprotect(range.data(), range.bytes(), kReadWrite);
    return error;
  }
  return std::nullopt;
}

AdoptionError replace_by_mapping(PageRange range, int flags, int fd, std::size_t offset) {
  const platform::SystemCalls& calls = platform::system_calls();
  // Populated now, so that neither the copy nor the program pays for a fault per page.
  void* replacement = calls.mmap(nullptr, range.bytes(), kReadWrite, flags | MAP_POPULATE, fd,
                                 static_cast<off_t>(offset));
  if (replacement == MAP_FAILED) return platform::last_system_error("mmap");
  // If the program has unmapped the pages, against the rules, the kernel may have put the
  // replacement in the very hole.
  const PageRange place =
      pages_around(reinterpret_cast<std::uintptr_t>(replacement), range.bytes());
  auto error =
      place.overlaps(range) ? platform::SystemError{"mmap", EFAULT} : replace(range, replacement);
  if (error) calls.munmap(replacement, range.bytes());
  return error;
}

bool make_step_private(PageRange step) {
  const platform::SystemCalls& calls = platform::system_calls();
  void* copy = calls.mmap(nullptr, step.bytes(), kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) return false;
  copy_pages(copy, step.data(), step.bytes());
  if (calls.mremap(copy, step.bytes(), step.bytes(), MREMAP_MAYMOVE | MREMAP_FIXED, step.data()) !=
      MAP_FAILED) {
    return true;
  }
  calls.munmap(copy, step.bytes());
  return false;
}

}  // namespace

AdoptionError adopt_pages(PageRange range, int fd, std::size_t offset) {
  return replace_by_mapping(range, MAP_SHARED, fd, offset);
}

AdoptionError give_back_pages(PageRange range) {
  return replace_by_mapping(range, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void make_pages_private_in_child(PageRange range) {
  if (make_step_private(range)) return;
  constexpr std::size_t kStep = 64 * wire::kPageSize;
  for (std::uintptr_t next = range.begin; next < range.end; next += kStep) {
    const PageRange step{next, std::min(next + kStep, range.end)};
    if (!make_step_private(step)) platform::system_calls().munmap(step.data(), step.bytes());
  }
}

void hold_adoptions() { one_at_a_time.lock(); }
void resume_adoptions() { one_at_a_time.unlock(); }

}  // namespace vmmc::internal
