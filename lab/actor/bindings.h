// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Stores to bound pages, one by one, as the program's own or by the typed calls.
#pragma once

#include "lab/actor/actor.h"

namespace vmmc::lab {

// `size`: 1, 2, 4 or 8 bytes, aligned.
int store_to(const Binding& binding, std::uint64_t offset, std::uint64_t value, std::uint64_t size);

}  // namespace vmmc::lab
