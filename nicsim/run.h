// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A stretch of a client's memory, as nicsim has it mapped.
#pragma once

#include <cstddef>

namespace vmmc::nicsim {

struct Run {
  std::byte* address;
  std::size_t length;  // bytes
};

inline constexpr std::size_t kMaxRuns = 80;

}  // namespace vmmc::nicsim
