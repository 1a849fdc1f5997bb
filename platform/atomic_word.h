// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Atomic changes of a word that other processes change, too.
//
// Threads and processes: any, on the same memory, also by other mappings of it; async-signal-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vmmc::platform {

// The numbers stand for good: users pass them between processes.
enum class WordChange : std::uint32_t {
  kAdd = 1,
  kSwap = 2,
  kCompareSwap = 3,  // stores `operand` if the word equals `expected`
};

struct WordOperands {
  WordChange kind;
  std::uint32_t width;  // bytes: 4 or 8; the low bytes of the operands count
  std::uint64_t operand;
  std::uint64_t expected;
};

// Carries it out on the naturally aligned word at `address` and returns what the word was before.
// Sequentially consistent.
std::uint64_t change_word(std::byte* address, const WordOperands& operands);

}  // namespace vmmc::platform
