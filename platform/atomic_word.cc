// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/atomic_word.h"

#include <atomic>

namespace vmmc::platform {
namespace {

template <typename Word>
Word change(Word& word, WordChange kind, Word operand, Word expected) {
  const std::atomic_ref<Word> target(word);
  switch (kind) {
    case WordChange::kAdd:
      return target.fetch_add(operand);
    case WordChange::kSwap:
      return target.exchange(operand);
    case WordChange::kCompareSwap:
      break;
  }
  target.compare_exchange_strong(expected, operand);
  return expected;  // what was there, also on success
}

template <typename Word>
Word change_at(std::byte* address, const WordOperands& operands) {
  return change(*reinterpret_cast<Word*>(address), operands.kind,
                static_cast<Word>(operands.operand), static_cast<Word>(operands.expected));
}

}  // namespace

std::uint64_t change_word(std::byte* address, const WordOperands& operands) {
  return operands.width == sizeof(std::uint32_t) ? change_at<std::uint32_t>(address, operands)
                                                 : change_at<std::uint64_t>(address, operands);
}

}  // namespace vmmc::platform
