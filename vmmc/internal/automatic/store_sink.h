// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who hears of stores to bound pages.
#pragma once

#include <cstddef>

namespace vmmc::internal {

// Hears of every store to the pages that it watches.
class StoreSink {
 public:
  // `length` (> 0) bytes at `address`, all on one page, have been stored: they stand in memory, and
  // no other captured store is made before this returns. Called in the storing thread, inside a
  // signal handler, with all signals blocked; so it allocates nothing, waits for no other thread
  // that might be storing to watched pages, and does not store there itself.
  virtual void stored(const void* address, std::size_t length) = 0;

 protected:
  ~StoreSink() = default;
};

}  // namespace vmmc::internal
