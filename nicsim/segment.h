// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A segment: memory of a client that nicsim has mapped too.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nicsim/wire/version.h"
#include "platform/file_descriptor.h"
#include "platform/shared_memory.h"

namespace vmmc::nicsim {

// Shared by the client's segment table and by every export that lies in it, so that a client that
// releases a segment too early takes nothing away under a transfer.
class Segment {
 public:
  // `memory`: the memfd itself, if importers may be given it; see wire/buffer_bell.h.
  Segment(std::uint32_t id, platform::SharedMapping mapping, platform::FileDescriptor memory)
      : id_(id), mapping_(std::move(mapping)), memory_(std::move(memory)) {
    ++alive_;
  }
  ~Segment() { --alive_; }
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // How many there are.
  static std::size_t alive() { return alive_; }

  std::uint32_t id() const { return id_; }
  std::byte* data() const { return mapping_.data(); }
  std::uint64_t bytes() const { return mapping_.size(); }
  std::uint64_t pages() const { return bytes() / wire::kPageSize; }

  bool lendable() const { return memory_.valid(); }
  int memory() const { return memory_.get(); }

  // True if [offset, offset + length) lies inside.
  bool contains(std::uint64_t offset, std::uint64_t length) const {
    return offset <= bytes() && length <= bytes() - offset;
  }

 private:
  inline static std::size_t alive_ = 0;

  std::uint32_t id_;
  platform::SharedMapping mapping_;
  platform::FileDescriptor memory_;
};

}  // namespace vmmc::nicsim
