// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The calls of a worker process that come in widths: atomic operations and stores.
#pragma once

#include "tests/random_operations/command.h"
#include "vmmc/vmmc.h"

namespace vmmc::testing::random_operations {

Answer change_word(const Command& command, void* proxy);

// As the compiler stores: command.width bytes at once, or a copy.
Answer store_plainly(const Command& command, unsigned char* to);
// By vmmc_au_store... and vmmc_au_copy.
Answer store_typed(const Command& command, vmmc_binding* binding, unsigned char* to);

}  // namespace vmmc::testing::random_operations
