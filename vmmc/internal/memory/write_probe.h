// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Asks whether memory can be written, without changing it and without a fault.
//
// Threads: any; async-signal-safe.
#pragma once

#include <cstdint>

namespace vmmc::internal {

// Whether the page of `address` can be written now.
bool can_be_written(std::uintptr_t address);

}  // namespace vmmc::internal
