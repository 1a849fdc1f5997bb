// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Moves the bytes of a transfer from where the sender keeps them to where they land.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "nicsim/process.h"
#include "nicsim/wire/status.h"

namespace vmmc::nicsim {

// A stretch of destination memory.
struct Run {
  std::byte* address;
  std::size_t length;
};

inline constexpr std::size_t kMaxRuns = 80;

// Moves the source bytes [transfer.done, + sum of the runs' lengths) into `runs` (at most
// kMaxRuns), in order. Returns kBadSource, with some runs perhaps written in part, if the source
// cannot be read. The bytes written are ordered before any later store.
wire::Status move_bytes(const Process& process, const Transfer& transfer,
                        std::span<const Run> runs);

// True if the source that the descriptor names can be meant at all: inside the staging area, inside
// a segment that the process has registered, or in its memory if that can be read.
bool source_is_plausible(const Process& process, const Transfer& transfer);

}  // namespace vmmc::nicsim
