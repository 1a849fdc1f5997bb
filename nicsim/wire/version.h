// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The version of everything that nicsim and a client share. Any change of a layout, of an offset or
// of the meaning of a field raises kVersion; the two sides work together only if the versions are
// equal.
#pragma once

#include <cstdint>

namespace vmmc::wire {

// Raised with every release of the project; says nothing about compatibility.
#define VMMC_VERSION_STRING "0.1.0"

inline constexpr std::uint32_t kMagic = 0x434d4d56;  // the bytes 'V' 'M' 'M' 'C' in memory
inline constexpr std::uint32_t kVersion = 6;

inline constexpr std::uint32_t kPageSize = 4096;  // bytes; SHRIMP's page (SBL manual, SBLmodel)
inline constexpr std::uint32_t kWordSize = 4;     // bytes; SHRIMP's word (SBL manual, SBLmodel)
inline constexpr std::uint32_t kCacheLineSize = 64;

}  // namespace vmmc::wire
