// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The element types and operations of reductions, as tables.
//
// Threads: no state.
#pragma once

#include <cstddef>

#include "vmmc/collectives.h"

namespace vmmc::collectives {

// into[i] = into[i] op from[i]. The two do not overlap. The same elements at the same index give
// the same bits in every process of one program, NaNs included.
using Combine = void (*)(void* into, const void* from, std::size_t count);

bool is_type(vmmc_type type);
bool is_operation(vmmc_operation operation);

// The rest is for types and operations that exist.
std::size_t size_of(vmmc_type type);
const char* name_of(vmmc_type type);
const char* name_of(vmmc_operation operation);

// nullptr: the operation is not defined for the type.
Combine combine_of(vmmc_type type, vmmc_operation operation);

}  // namespace vmmc::collectives
