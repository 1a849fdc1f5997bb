// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A second mapping of shared pages, for stores that the first, write-protected one does not take.
//
// No descriptor is needed: mremap with an old size of 0 maps the memory of a shared mapping once
// more. A forked child does not have it: there the pages become private, and these would not.
//
// Threads: any. The pages stay shared, and writable, while it is made.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "nicsim/wire/control.h"
#include "platform/result.h"
#include "vmmc/internal/memory/page_range.h"

namespace vmmc::internal {

class AliasMapping {
 public:
  AliasMapping() = default;
  AliasMapping(AliasMapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  AliasMapping& operator=(AliasMapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~AliasMapping();

  // Maps `pages`, which consist of `extents` (as SharedSegments::cover() says), a second time.
  static platform::Result<AliasMapping> make(PageRange pages,
                                             const std::vector<wire::Extent>& extents);

  std::byte* data() const { return data_; }

 private:
  AliasMapping(std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}

  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace vmmc::internal
