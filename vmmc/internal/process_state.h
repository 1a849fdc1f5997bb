// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Whether this process is attached, and what a fork makes of it.
//
// Threads and processes
//   attachment() is one load, for any thread and signal handlers. attach() and detach() wait for
//   each other and for forks.
#pragma once

#include <atomic>

#include "vmmc/internal/attachment.h"

namespace vmmc::internal {

// Written by this unit alone.
inline constinit std::atomic<Attachment*> current_attachment{nullptr};

// nullptr: not attached; refuse_unattached() says why.
inline Attachment* attachment() { return current_attachment.load(std::memory_order_acquire); }

// VMMC_ERR_NOT_ATTACHED or VMMC_ERR_FORKED, with its sentence.
int refuse_unattached();

// As vmmc_init and vmmc_finalize.
int attach(const vmmc_init_options& options);
int detach();

// $VMMC_RANK and $VMMC_SIZE; 0 and 1 if they are not set, or make no sense.
struct Job {
  std::uint32_t rank;
  std::uint32_t size;
};
Job job();

}  // namespace vmmc::internal
