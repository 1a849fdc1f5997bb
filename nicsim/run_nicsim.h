// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// nicsim from its command line until its end: everything but main(), so that a program with an extension
// is the same program.
//
// Threads: one, the caller's.
#pragma once

#include "nicsim/extension.h"

namespace vmmc::nicsim {

// The exit status. 0: it has served and was told to end, or has moved to the background; 1: failure; 2: a
// mistake of the user's; 3: another nicsim serves there. `extension` may be nullptr: none.
int run_nicsim(int argc, char** argv, Extension* extension);

}  // namespace vmmc::nicsim
