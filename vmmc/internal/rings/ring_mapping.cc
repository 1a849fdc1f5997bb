// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/rings/ring_mapping.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "platform/shared_memory.h"
#include "platform/system_calls.h"

namespace vmmc::internal {

RingMapping::~RingMapping() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

platform::Result<RingMapping> RingMapping::map(int fd, std::size_t bytes, bool writable) {
  // Nobody but the kernel answers for the pages of a memfd.
  if (bytes == 0 || ::fcntl(fd, F_GET_SEALS) < 0) return platform::SystemError{"mmap", EINVAL};
  void* const data = platform::system_calls().mmap(
      nullptr, bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED | MAP_POPULATE, fd, 0);
  if (data == MAP_FAILED) return platform::last_system_error("mmap");
  RingMapping mapping;
  mapping.data_ = static_cast<std::byte*>(data);
  mapping.bytes_ = bytes;
  // nicsim may have left it to the mapping to allocate them. If there was no memory, that says nothing.
  if (!platform::is_sealed_shared_memory(fd, bytes)) return platform::SystemError{"mmap", EINVAL};
  if (::madvise(data, bytes, MADV_DONTFORK) != 0) return platform::last_system_error("madvise");
  return mapping;
}

}  // namespace vmmc::internal
