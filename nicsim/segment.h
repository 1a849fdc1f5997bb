// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A segment: memory of a client that nicsim has mapped too.
#pragma once

#include <cstdint>

#include "nicsim/wire/version.h"
#include "platform/shared_memory.h"

namespace vmmc::nicsim {

// Shared by the client's segment table and by every export that lies in it, so that a client that
// releases a segment too early takes nothing away under a transfer.
class Segment {
 public:
  Segment(std::uint32_t id, platform::SharedMapping mapping)
      : id_(id), mapping_(std::move(mapping)) {}

  std::uint32_t id() const { return id_; }
  std::byte* data() const { return mapping_.data(); }
  std::uint64_t bytes() const { return mapping_.size(); }
  std::uint64_t pages() const { return bytes() / wire::kPageSize; }

  // True if [offset, offset + length) lies inside.
  bool contains(std::uint64_t offset, std::uint64_t length) const {
    return offset <= bytes() && length <= bytes() - offset;
  }

 private:
  std::uint32_t id_;
  platform::SharedMapping mapping_;
};

}  // namespace vmmc::nicsim
