// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the C interface (vmmc/*.cc) share: finding the attachment, checking pointers,
// and keeping exceptions inside.
#pragma once

#include <exception>

#include "vmmc/internal/error.h"
#include "vmmc/internal/process_state.h"

namespace vmmc::internal {

inline int null_pointer(const char* name) {
  return fail(VMMC_ERR_INVALID_ARGUMENT, "%s is a null pointer", name);
}

// No exception leaves the library; the only one that the code below throws is for want of memory.
template <typename Function>
int guarded(Function function) {
  try {
    return function();
  } catch (const std::exception&) {
    return fail(VMMC_ERR_OUT_OF_MEMORY, "the heap is exhausted");
  }
}

// For calls that throw nothing and may run in signal handlers.
template <typename Function>
[[gnu::always_inline]] inline int unguarded(Function function) {
  Attachment* const held = attachment();
  return held == nullptr ? refuse_unattached() : function(*held);
}

// While nicsim records: what the library does meanwhile is no work of the program's.
class LibraryWork {
 public:
  explicit LibraryWork(SendQueue& queue) : queue_(queue) {
    if (queue_.marks()) queue_.meter().stop();
  }
  ~LibraryWork() {
    if (queue_.marks()) queue_.meter().go();
  }
  LibraryWork(const LibraryWork&) = delete;
  LibraryWork& operator=(const LibraryWork&) = delete;

 private:
  SendQueue& queue_;
};

template <typename Function>
int attached(Function function) {
  Attachment* const held = attachment();
  if (held == nullptr) return refuse_unattached();
  const LibraryWork work(held->queue());
  return guarded([&] { return function(*held); });
}

// For calls that need nicsim.
template <typename Function>
int connected(Function function) {
  return attached([&](Attachment& held) {
    return held.waiter().nicsim_gone() ? fail_nicsim_gone() : function(held);
  });
}

}  // namespace vmmc::internal
