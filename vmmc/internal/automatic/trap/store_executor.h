// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Makes a store for an interrupted thread: on watched pages through their alias, so that nobody
// ever finds them writable, and elsewhere directly; then tells the sinks. x86-64.
//
// What stays whole: a store inside the pages of one watch is made by the instruction itself, so it
// is as atomic as it was. One that reaches over their edge is made in two pieces, as the processor
// makes any store that crosses pages; if it is a locked one, it is refused.
//
// Threads: under the lock of trap capture; async-signal-safe. If nothing is stored, nothing has
// changed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vmmc/internal/automatic/trap/instruction_runner.h"
#include "vmmc/internal/automatic/trap/store_decoder.h"
#include "vmmc/internal/automatic/trap/watch_table.h"

namespace vmmc::internal {

struct StoreOutcome {
  enum class Verdict {
    kStored,
    kNotWatched,   // the fault was on no watched page
    kNotWritable,  // it also touches memory that cannot be written and is not watched: at `address`
    kRefused,      // cannot be done exactly: `why` continues "it ..."
  };
  Verdict verdict = Verdict::kStored;
  std::uintptr_t address = 0;
  const char* why = "";
};

// Makes the store of `instruction` (form kMovable), which faulted at `fault` on a watched page.
// Updates the registers but for rip.
StoreOutcome execute_movable(const StoreInstruction& instruction, std::uintptr_t fault,
                             const WatchTable& table, Registers& registers,
                             const VectorState& vectors);

// Stores `length` (> 0, at most a page) bytes to `address`, each aligned word whole.
StoreOutcome store_bytes(const WatchTable& table, std::uintptr_t address, const std::byte* bytes,
                         std::size_t length);

// The base address of the segment that `operand` is relative to.
std::uintptr_t segment_base_of(const MemoryOperand& operand);

}  // namespace vmmc::internal
