// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/real_time/channel_part.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "platform/system_calls.h"

namespace vmmc::internal {

ChannelPart::~ChannelPart() {
  if (memory_ != nullptr) ::munmap(memory_, bytes_);
}

platform::Result<ChannelPart> ChannelPart::make(int fd, std::size_t bytes, int protection,
                                                int flags) {
  void* const memory =
      platform::system_calls().mmap(nullptr, bytes, protection, flags | MAP_POPULATE, fd, 0);
  if (memory == MAP_FAILED) return platform::last_system_error("mmap");
  ChannelPart part;
  part.memory_ = static_cast<std::byte*>(memory);
  part.bytes_ = bytes;
  if (::madvise(memory, bytes, MADV_DONTFORK) != 0) return platform::last_system_error("madvise");
  (void)::mlock(memory, bytes);
  return part;
}

platform::Result<ChannelPart> ChannelPart::map(int fd, std::size_t bytes, Access access) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return platform::last_system_error("fstat");
  if (static_cast<std::size_t>(status.st_size) < bytes) {
    return platform::SystemError{"mmap", EFBIG};
  }
  const int protection = access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  return make(fd, bytes, protection, MAP_SHARED);
}

platform::Result<ChannelPart> ChannelPart::reserve(std::size_t bytes) {
  return make(-1, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
}

}  // namespace vmmc::internal
