// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For tests: instructions that store, of every kind that trap capture handles by moving them.
// x86-64. All name their memory relative to rbx, rdi, r10 or r13, which the test gives one value,
// and r14, which is 8.
#pragma once

#include <cstdint>
#include <span>

namespace vmmc::internal {

struct StoreSample {
  enum Needs : std::uint8_t { kNothing, kCompares, kSse4, kAvx2, kAvx512 };

  std::uint16_t width;     // bytes stored; 0: as many as a mask says, up to 64
  std::uint8_t alignment;  // that the address must have
  Needs needs;             // of the processor; kCompares: stores only if the zero flag is set then
  std::uint8_t offset;     // of the first byte stored from rbx
  std::uint8_t length;     // bytes of code
  std::uint8_t code[26];
  char text[48];

  std::span<const std::uint8_t> bytes() const { return {code, length}; }
  bool runs_here() const;
};
static_assert(sizeof(StoreSample) == 80);

std::span<const StoreSample> store_samples();

}  // namespace vmmc::internal
