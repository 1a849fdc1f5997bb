// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The memory of a ring's blocks: allocated, mapped and touched before the first frame comes there, so
// that no frame waits for a page. A gibibyte takes some tenths of a second, for which nicsim must not stand
// still: so what is much is prepared in steps.
//
// Threads: used by nicsim's one thread.
//
// Invariants
//   Nobody can change its size or its seals. If its consumers may only read it, no descriptor of it
//   can be mapped for writing or written to by anybody any more, however it is opened again: only
//   nicsim's mapping, which is older than the seal, can. What lies below prepared() is there.
#pragma once

#include <cstddef>
#include <variant>

#include "nicsim/wire/status.h"
#include "platform/file_descriptor.h"
#include "platform/shared_memory.h"

namespace vmmc::nicsim {

class BlockMemory {
 public:
  // `bytes`: a multiple of the page size, > 0. kOutOfMemory. Of it, the first `at_once` or a little more are
  // prepared.
  static std::variant<BlockMemory, wire::Status> make(std::size_t bytes, bool read_only,
                                                      std::size_t at_once);

  // The next step: some tens of microseconds. False: there is no memory.
  bool prepare() { return prepare(kStep); }
  std::size_t prepared() const { return prepared_; }

  std::byte* data() const { return mapping_.data(); }
  std::size_t size() const { return mapping_.size(); }
  // For consumers.
  int descriptor() const { return descriptor_.get(); }

 private:
  static constexpr std::size_t kStep = std::size_t{128} << 10;

  BlockMemory() = default;
  bool prepare(std::size_t bytes);

  platform::SharedMapping mapping_;
  platform::FileDescriptor descriptor_;
  platform::FileDescriptor writable_;  // read-only: until all of it is prepared
  std::size_t prepared_ = 0;
};

}  // namespace vmmc::nicsim
