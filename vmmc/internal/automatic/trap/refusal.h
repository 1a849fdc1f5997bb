// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The end of a process whose store to watched pages cannot be captured exactly: to go on would be to
// lose it.
//
// Threads: any; async-signal-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vmmc::internal {

// Writes to standard error which instruction stored where, and `why`, which continues "it ...";
// then makes SIGSEGV deadly, so that the handler's return to the instruction ends the process.
// `length`: bytes of the instruction; 0 if that is not known.
void refuse_store(const char* why, std::uintptr_t instruction, std::size_t length,
                  std::uintptr_t address);

}  // namespace vmmc::internal
