// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A mapping of a ring's memory: all of its pages present, and not inherited by forked children.
//
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <utility>

#include "platform/result.h"

namespace vmmc::internal {

class RingMapping {
 public:
  RingMapping() = default;
  RingMapping(RingMapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  RingMapping& operator=(RingMapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~RingMapping();

  // The first `bytes` of `fd`, a memfd that has them and cannot shrink: EINVAL otherwise, also if there is
  // no memory for what of it has not been allocated yet.
  static platform::Result<RingMapping> map(int fd, std::size_t bytes, bool writable);

  std::byte* data() const { return data_; }

  // In a forked child, which does not have it: somebody else may have the addresses by now.
  void forget() { data_ = nullptr; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace vmmc::internal
