// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// May this memory of the calling process become shared in place? Asked of the process as it is now:
// its map and its threads.
//
// Threads and processes
//   Any thread. The answer is a snapshot: a program that maps, unmaps or protects the very memory
//   that it exports at that moment makes it wrong; the adoption then fails by an error of a system
//   call.
//
// What a crash at any instruction leaves behind: nothing.
#pragma once

#include <span>

#include "platform/result.h"
#include "vmmc/internal/memory/memory_map.h"

namespace vmmc::internal {

// Reads the map once and answers for all `ranges`: the first refusal, or kNone.
platform::Result<MemoryAnswer> check_memory(std::span<const PageRange> ranges);

}  // namespace vmmc::internal
