// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/alias_mapping.h"

#include <sys/mman.h>

#include "platform/system_calls.h"

namespace vmmc::internal {

AliasMapping::~AliasMapping() {
  if (data_ != nullptr) platform::system_calls().munmap(data_, bytes_);
}

platform::Result<AliasMapping> AliasMapping::make(PageRange pages,
                                                  const std::vector<wire::Extent>& extents) {
  const platform::SystemCalls& calls = platform::system_calls();
  void* place = calls.mmap(nullptr, pages.bytes(), PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) return platform::last_system_error("mmap");
  AliasMapping alias(static_cast<std::byte*>(place), pages.bytes());
  auto* from = static_cast<std::byte*>(pages.data());
  std::byte* to = alias.data_;
  for (const wire::Extent& extent : extents) {
    const std::size_t bytes = std::size_t{extent.pages} * wire::kPageSize;
    if (calls.mremap(from, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
      return platform::last_system_error("mremap");
    }
    from += bytes;
    to += bytes;
  }
  if (::madvise(alias.data_, alias.bytes_, MADV_DONTFORK) != 0) {
    return platform::last_system_error("madvise");
  }
  return alias;
}

}  // namespace vmmc::internal
