// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Asymmetric fences (the kernel's membarrier): of two sides that each store a word and then look at
// the other's, the rare side pays for both. The usual side needs no fence instruction, only
// std::atomic_signal_fence between its store and its load.
//
// Threads: any; async-signal-safe; errno is left unchanged.
#pragma once

namespace vmmc::platform {

// Makes this process one whose threads the two fences below reach. True: it is. Costs some 10 us the
// first time, if the process has threads.
bool register_for_membarriers();

// When it returns, every thread of this process that runs has executed a full memory barrier since
// the call (and so has the caller). REQUIRES: register_for_membarriers() was true.
void fence_process();

// The same for the threads of all registered processes of this machine.
void fence_all_processes();

}  // namespace vmmc::platform
