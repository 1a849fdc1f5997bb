// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Where the stacks and the thread-local storage of all threads of this process are.
//
// The kernel knows the stack of the first thread only. The C library keeps each thread's control
// block at the top of its stack, and the kernel knows an address inside it (the list of robust
// mutexes): that leads to the others. Not found: the stacks of coroutines that are not running in
// the calling thread, and signal stacks of other threads.
//
// Threads: any. Threads that start or end meanwhile may be missed.
#pragma once

#include <vector>

#include "vmmc/internal/memory/memory_map.h"

namespace vmmc::internal {

// Memory in front of a control block in the same mapping counts as that thread's stack.
std::vector<ThreadMemory> find_thread_memory(const MemoryMap& map);

}  // namespace vmmc::internal
