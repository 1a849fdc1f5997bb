// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/remote_atomic.h"

#include <atomic>

namespace vmmc::nicsim {
namespace {

template <typename Word>
Word change(Word& word, wire::AtomicKind kind, Word operand, Word expected) {
  const std::atomic_ref<Word> target(word);
  switch (kind) {
    case wire::AtomicKind::kFetchAdd:
      return target.fetch_add(operand);
    case wire::AtomicKind::kSwap:
      return target.exchange(operand);
    case wire::AtomicKind::kCompareSwap:
      break;
  }
  target.compare_exchange_strong(expected, operand);
  return expected;  // what was there, also on success
}

template <typename Word>
Word change_at(std::byte* address, const wire::AtomicOperands& operands) {
  return change(*reinterpret_cast<Word*>(address), operands.kind,
                static_cast<Word>(operands.operand), static_cast<Word>(operands.expected));
}

}  // namespace

std::uint64_t change_word(std::byte* address, const wire::AtomicOperands& operands) {
  return operands.width == sizeof(std::uint32_t) ? change_at<std::uint32_t>(address, operands)
                                                 : change_at<std::uint64_t>(address, operands);
}

}  // namespace vmmc::nicsim
