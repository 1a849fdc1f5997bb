// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The local side of a transfer: the memory of the process that asked for it. Updates read it,
// fetches write it.
#pragma once

#include <span>

#include "nicsim/process.h"
#include "nicsim/run.h"
#include "nicsim/wire/status.h"

namespace vmmc::nicsim {

// True if the local bytes that the descriptor names can be meant at all: inside the staging area,
// inside a segment that the process has registered, or in its memory if that can be reached.
bool local_place_is_plausible(const Process& process, const Transfer& transfer);

// Moves the local bytes [transfer.done, + sum of the runs' lengths) into `runs` (at most kMaxRuns),
// in order; or, for a fetch, the other way. kBadSource, with some bytes perhaps moved, if the local
// bytes cannot be reached. What is written is ordered before any later store.
wire::Status move_bytes(const Process& process, const Transfer& transfer,
                        std::span<const Run> runs);

}  // namespace vmmc::nicsim
