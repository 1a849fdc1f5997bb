// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Runs one instruction of an interrupted thread inside the signal handler, with that thread's
// registers, flags and vector state, and with the memory it stores to put elsewhere. x86-64.
//
// The rewritten instruction (store_decoder.h) stands in a page of its own and is jumped to; so the
// processor itself does the operation, exactly and, if it is atomic, atomically, and no second
// signal is needed to come back.
//
// Threads and processes
//   prepare_runner(): once, before the first run. run_instruction(): one thread at a time (its caller
//   has the lock of trap capture), all signals blocked that do not come from an instruction;
//   async-signal-safe. After a fork each process has its own copy.
//
// What a crash at any instruction leaves behind: nothing.
#pragma once

#include <cstdint>
#include <optional>

#include "platform/result.h"
#include "vmmc/internal/automatic/trap/store_decoder.h"

namespace vmmc::internal {

// What the kernel has put of the x87, SSE, AVX and AVX-512 registers on the handler's stack, in the
// standard format of XSAVE: what the program goes on with when the handler returns.
struct VectorState {
  static constexpr std::uint64_t kAll = 0xe7;  // the components named above, as XCR0 numbers them

  std::byte* area = nullptr;
  std::uint64_t components = 0;  // those that `area` has room for

  // Its control and status word (MXCSR).
  std::uint32_t control() const;
};
// REQUIRES: has_vector_state(). `context`: the third argument of the handler.
VectorState vector_state_of(void* context);

// False on a processor or kernel that has no XSAVE.
bool has_vector_state();

// Makes the page for instructions. It is writable and executable at once, so a system that forbids
// that (some SELinux policies) refuses with EACCES or EPERM.
std::optional<platform::SystemError> prepare_runner();

// Runs `instruction` (form kMovable) with `operand` as the address that its operand names, and puts
// its results into `registers` and `vectors`. `registers.instruction` does not move.
void run_instruction(const StoreInstruction& instruction, std::uintptr_t operand,
                     Registers& registers, const VectorState& vectors);

}  // namespace vmmc::internal
