// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Refusals: a status for the program, and a sentence with the values concerned for the person who
// reads it.
//
// Threads and processes
//   The sentence belongs to the calling thread. fail() takes no lock and allocates nothing, so it
//   may run in a signal handler; one that interrupts another fail() of its thread leaves its own
//   sentence or a mixture, always terminated.
#pragma once

#include "nicsim/wire/status.h"
#include "platform/result.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

// Remembers the sentence and returns `status`. Leaves errno unchanged.
[[gnu::format(printf, 2, 3)]] int fail(int status, const char* format, ...);

// The same for a sentence that is there for ever, as a literal is: costs two stores, for refusals that a
// program may get in a loop.
int fail_saying(int status, const char* sentence);

// The failure of a system call, with what was being done: "<what>: mmap: Cannot allocate memory".
// ENOMEM, ENOSPC and EFBIG become VMMC_ERR_OUT_OF_MEMORY, everything else VMMC_ERR_SYSTEM.
int fail_system(const char* what, const platform::SystemError& error);

// The refusal of something that nicsim said no to: "<what>: <the status's sentence>".
[[gnu::format(printf, 2, 3)]] int fail_refused(wire::Status status, const char* format, ...);

// A failure with no more to say than the status's own sentence.
int fail_plainly(int status);

// VMMC_ERR_NICSIM_GONE, with its sentence.
int fail_nicsim_gone();

const char* last_error();

// One sentence and the name for each status; never nullptr.
const char* status_sentence(int status);
const char* status_name(int status);

}  // namespace vmmc::internal
