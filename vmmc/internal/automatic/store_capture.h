// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How the plain stores of a program become known (VMMC_CAPTURE_TRAP), as automatic update sees it.
#pragma once

#include <cstddef>
#include <optional>

#include "platform/result.h"
#include "vmmc/internal/automatic/store_sink.h"
#include "vmmc/internal/memory/page_range.h"

namespace vmmc::internal {

// Threads: watch() and unwatch() by one thread at a time.
class StoreCapture {
 public:
  virtual ~StoreCapture() = default;

  // From now on `sink` hears of the stores to `pages`. `alias` is another, writable mapping of the
  // same memory. ENOTSUP, EACCES, EPERM: it cannot be done on this system.
  virtual std::optional<platform::SystemError> watch(PageRange pages, std::byte* alias,
                                                     StoreSink& sink) = 0;

  // When it returns the sink hears of no store any more. After an error it is as before.
  virtual std::optional<platform::SystemError> unwatch(PageRange pages) = 0;

  // In a forked child, while it has one thread: nothing is watched any more. The pages may still be
  // write-protected.
  virtual void abandon_in_child() = 0;
};

}  // namespace vmmc::internal
