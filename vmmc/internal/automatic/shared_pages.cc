// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/shared_pages.h"

#include <sys/mman.h>

#include "platform/system_calls.h"
#include "vmmc/internal/memory/page_adoption.h"

namespace vmmc::internal {
namespace {

constexpr std::size_t kBellBytes = wire::kPageSize;

// An old size of 0 maps the memory of a shared mapping once more.
bool map_again(std::byte* from, std::size_t bytes, std::byte* to) {
  return platform::system_calls().mremap(from, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) !=
         MAP_FAILED;
}

// Puts `pages` together elsewhere, with the bell behind them, and moves them to their place.
std::optional<platform::SystemError> fill(std::byte* spare, PageRange pages, std::byte* remote,
                                          std::byte* bell) {
  const std::size_t bytes = pages.bytes();
  if (!map_again(remote, bytes, spare) || !map_again(bell, kBellBytes, spare + bytes)) {
    return platform::last_system_error("mremap");
  }
  // The child gets what it finds here, and makes it private; the host executor's mappings it does not.
  if (::madvise(spare, bytes, MADV_DOFORK) != 0 ||
      ::madvise(spare + bytes, kBellBytes, MADV_DONTFORK) != 0) {
    return platform::last_system_error("madvise");
  }
  (void)::madvise(spare, bytes, MADV_POPULATE_WRITE);  // spares the program a fault for each page
  if (platform::system_calls().mremap(spare, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
                                      pages.data()) == MAP_FAILED) {
    return platform::last_system_error("mremap");
  }
  return std::nullopt;
}

}  // namespace

SharedPages::~SharedPages() {
  if (bell_ != nullptr) platform::system_calls().munmap(bell_, kBellBytes);
}

platform::Result<SharedPages> SharedPages::take(PageRange pages, std::byte* remote,
                                                std::byte* bell) {
  const platform::SystemCalls& calls = platform::system_calls();
  const std::size_t bytes = pages.bytes() + kBellBytes;
  void* place =
      calls.mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) return platform::last_system_error("mmap");
  auto* const spare = static_cast<std::byte*>(place);
  if (const auto error = fill(spare, pages, remote, bell)) {
    calls.munmap(spare, bytes);
    return *error;
  }
  return SharedPages(pages, spare + pages.bytes());
}

std::optional<platform::SystemError> SharedPages::give_back() {
  if (!are_remote()) return std::nullopt;
  if (const auto error = give_back_pages(pages_)) return error;
  pages_ = {};
  return std::nullopt;
}

void SharedPages::make_private_in_child() {
  if (are_remote()) make_pages_private_in_child(pages_);
  pages_ = {};
  bell_ = nullptr;
}

}  // namespace vmmc::internal
