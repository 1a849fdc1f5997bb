// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The memory of a worker process, by the offsets of command.h.
//
// Threads and processes: of the worker's main thread; offset_of() also of handlers.
// Errors: std::runtime_error where there is no memory.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <stdexcept>

#include "tests/random_operations/command.h"

namespace vmmc::testing::random_operations {

class Arena {
 public:
  Arena()
      : private_(static_cast<unsigned char*>(::mmap(nullptr, kPrivateBytes, PROT_READ | PROT_WRITE,
                                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    if (private_ == MAP_FAILED) throw std::runtime_error("mmap");
  }

  // kAllocatedBytes of vmmc_alloc.
  void set_allocated(void* memory) { allocated_ = static_cast<unsigned char*>(memory); }

  unsigned char* at(std::uint64_t offset) const {
    return offset < kPrivateBytes ? private_ + offset : allocated_ + (offset - kPrivateBytes);
  }

  std::uint64_t offset_of(const void* address) const {
    const auto* byte = static_cast<const unsigned char*>(address);
    const bool is_private = byte >= private_ && byte < private_ + kPrivateBytes;
    return static_cast<std::uint64_t>(is_private ? byte - private_
                                                 : byte - allocated_ + kPrivateBytes);
  }

  void fill(std::uint64_t seed) {
    fill_with_pattern(seed, 0, private_, kPrivateBytes);
    fill_with_pattern(seed, kPrivateBytes, allocated_, kAllocatedBytes);
  }

  std::uint64_t hash() const {
    return hash_bytes(allocated_, kAllocatedBytes, hash_bytes(private_, kPrivateBytes, 0));
  }

  Bytes bytes() const {
    Bytes all(private_, private_ + kPrivateBytes);
    all.insert(all.end(), allocated_, allocated_ + kAllocatedBytes);
    return all;
  }

 private:
  unsigned char* const private_;
  unsigned char* allocated_ = nullptr;
};

}  // namespace vmmc::testing::random_operations
