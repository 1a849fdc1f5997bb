// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the handler of SIGSEGV does with a store to watched pages: makes it, reports it, and moves
// the thread on. x86-64.
//
// Threads: any; async-signal-safe. May run while another one runs in the same thread: a sink's, or
// one for a page that the program's own handler will mend.
#pragma once

#include <signal.h>

#include "vmmc/internal/automatic/trap/capture_state.h"

namespace vmmc::internal {

// True if the fault was a store to watched pages, and the thread may go on; false if it is not, and
// nothing has been done. A store that cannot be made exactly ends the process, after a sentence on
// standard error: the handler is taken away, so that the thread goes on into a death by SIGSEGV at
// the instruction.
bool capture_fault(CaptureState& state, const siginfo_t* info, void* context);

}  // namespace vmmc::internal
