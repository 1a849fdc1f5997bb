// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Reads the slots of a ring that nicsim may be writing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "tools/vmmctrace/record.h"

namespace vmmc::trace_tool {

// Reads `length` bytes of the file from `offset` on; as many as there are; nullopt: an error.
using ReadAt =
    std::function<std::optional<std::size_t>(void* to, std::size_t length, std::uint64_t offset)>;

// Fills all of `slots`. The number of one that was written in the meantime, so that its bytes may be of two
// records, becomes 0. False: an error of `read_at`.
bool read_slots(const ReadAt& read_at, std::vector<Record>& slots);

}  // namespace vmmc::trace_tool
