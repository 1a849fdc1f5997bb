// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Anonymous shared memory: a memfd that is allocated in full and cannot change its size, and
// mappings of it.
//
// No name exists anywhere, so nothing is left behind when its users die. A shortage of memory is an
// error of create(), never a SIGBUS of a later access; a peer cannot shrink it under us
// (F_SEAL_SHRINK).
#pragma once

#include <boost/interprocess/mapped_region.hpp>
#include <cstddef>
#include <span>

#include "platform/file_descriptor.h"
#include "platform/result.h"

namespace vmmc::platform {

// Creates a memfd of `bytes` (a multiple of the page size, > 0), zeroed, fully allocated, sealed
// against shrinking and growing. Also fails, with EFBIG, when `bytes` is over the process's file
// size limit, instead of dying by SIGXFSZ. `label` shows in /proc/PID/maps.
Result<FileDescriptor> create_shared_memory(const char* label, std::size_t bytes);

// The same, but nothing of it is allocated: as it must not take longer than its size allows. Who uses it has
// allocate_shared_memory() first.
Result<FileDescriptor> reserve_shared_memory(const char* label, std::size_t bytes);

// Allocates `bytes` of such a memfd. False: there is no memory (errno).
bool allocate_shared_memory(int fd, std::size_t first, std::size_t bytes);

// True if `fd` is a memfd sealed against shrinking (growing may be possible) that has at least `bytes`
// and memory for all of them, so that storing there allocates nothing.
bool is_sealed_shared_memory(int fd, std::size_t bytes);

// A readable and writable shared mapping, unmapped when its owner ends.
class SharedMapping {
 public:
  SharedMapping() = default;

  // Maps the first `bytes` of `fd` anywhere. The descriptor may be closed afterwards.
  static Result<SharedMapping> map(int fd, std::size_t bytes);

  std::byte* data() const { return static_cast<std::byte*>(region_.get_address()); }
  std::size_t size() const { return region_.get_size(); }

 private:
  boost::interprocess::mapped_region region_;
};

}  // namespace vmmc::platform
