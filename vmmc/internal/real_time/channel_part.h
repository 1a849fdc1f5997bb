// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A mapping of one part of a real-time channel: there as a whole when it has been made, so that no
// page of it is missing later; locked in memory where the process may do that; not in forked
// children.
#pragma once

#include <cstddef>
#include <utility>

#include "platform/result.h"

namespace vmmc::internal {

class ChannelPart {
 public:
  enum class Access { kRead, kReadWrite };

  ChannelPart() = default;
  ChannelPart(ChannelPart&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  ChannelPart& operator=(ChannelPart&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~ChannelPart();

  // The first `bytes` of `fd`, which may be closed afterwards. EFBIG: it has not so many.
  static platform::Result<ChannelPart> map(int fd, std::size_t bytes, Access access);
  // Private memory, zeroed.
  static platform::Result<ChannelPart> reserve(std::size_t bytes);

  std::byte* data() const { return memory_; }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(memory_);
  }

 private:
  static platform::Result<ChannelPart> make(int fd, std::size_t bytes, int protection, int flags);

  std::byte* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace vmmc::internal
