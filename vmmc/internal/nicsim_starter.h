// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Starts a nicsim for programs that find none: one that ends with its last client.
//
// Threads and processes
//   Any thread. The new process is nobody's child (so the program never has to reap it), leads a
//   session of its own (so a ^C at the terminal does not end it), and keeps no descriptor, signal
//   disposition or signal mask of the program. If another nicsim has taken the socket meanwhile it
//   ends at once, which is no error.
#pragma once

#include <string>

namespace vmmc::internal {

// Where the program is: $VMMC_NICSIM, else `nicsim` beside the running program, else in $PATH.
// Empty if nowhere.
std::string find_nicsim();

// Starts `program` at `socket` and waits until it serves or has ended. VMMC_OK in both cases;
// VMMC_ERR_SYSTEM or VMMC_ERR_OUT_OF_MEMORY if no process could be made.
int start_nicsim(const std::string& program, const std::string& socket);

}  // namespace vmmc::internal
