// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// An atomic operation on a word of a client's memory: atomic too for the client's own processors.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nicsim/wire/send_descriptor.h"

namespace vmmc::nicsim {

// Carries it out on the naturally aligned word at `address`, of operands.width bytes (4 or 8).
// Returns what the word was before.
std::uint64_t change_word(std::byte* address, const wire::AtomicOperands& operands);

}  // namespace vmmc::nicsim
