// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/write_probe.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vmmc::internal {

// Asks the kernel to add 0 to the word at `address`, atomically; it fails if the page cannot be
// written.
bool can_be_written(std::uintptr_t address) {
  static std::uint32_t nobody_sleeps_here = 0;
  const std::uintptr_t word = address & ~std::uintptr_t{3};
  // A word that holds this value wakes one of its sleepers early, which is harmless.
  constexpr int kUnlikely = 0x5a5;
  return ::syscall(SYS_futex, &nobody_sleeps_here, FUTEX_WAKE_OP_PRIVATE, 0, nullptr, word,
                   FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, kUnlikely)) >= 0;
}

}  // namespace vmmc::internal
