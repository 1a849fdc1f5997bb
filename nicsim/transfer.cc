// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/transfer.h"

#include "nicsim/wire/control.h"

namespace vmmc::nicsim {
namespace {

bool is_atomic_kind(wire::AtomicKind kind) {
  return kind == wire::AtomicKind::kFetchAdd || kind == wire::AtomicKind::kSwap ||
         kind == wire::AtomicKind::kCompareSwap;
}

bool decode_atomic(Transfer& transfer) {
  const wire::AtomicOperands& operands = transfer.descriptor.atomic;
  transfer.length = operands.width;
  return transfer.place == wire::LocalPlace::kInline && !transfer.notify &&
         is_atomic_kind(operands.kind) && (operands.width == 4 || operands.width == 8);
}

}  // namespace

bool decode(Transfer& transfer) {
  const DescriptorCopy& descriptor = transfer.descriptor;
  const std::uint8_t flags = wire::header_flags(descriptor.header);
  transfer.operation = static_cast<wire::Operation>(wire::header_operation(descriptor.header));
  transfer.place = static_cast<wire::LocalPlace>(wire::header_place(descriptor.header));
  transfer.notify = (flags & wire::kNotify) != 0;
  transfer.done = transfer.length = 0;
  const std::uint8_t combining = wire::kCombineBlock | wire::kCombineTimer;
  const bool combines = transfer.operation == wire::Operation::kAutomaticUpdate;
  if ((flags & ~(wire::kNotify | (combines ? combining : 0))) != 0) return false;
  if (transfer.operation == wire::Operation::kAtomic) return decode_atomic(transfer);
  const bool fetch = transfer.operation == wire::Operation::kFetch;
  if (!transfer.is_update() && !(fetch && !transfer.notify)) return false;
  switch (transfer.place) {
    case wire::LocalPlace::kInline:
      transfer.length = transfer.message_length = wire::header_inline_length(descriptor.header);
      return !fetch && transfer.length > 0 &&
             transfer.length <=
                 (transfer.notify ? wire::kInlineBytesWithNotify : wire::kInlineBytes);
    case wire::LocalPlace::kStaged:
    case wire::LocalPlace::kSegment:
    case wire::LocalPlace::kMemory:
      transfer.length = descriptor.local.length;
      transfer.message_length = descriptor.local.message_length;
      return transfer.length > 0 &&
             (!transfer.notify || transfer.message_length >= transfer.length);
  }
  return false;
}

bool is_plausible_mark(const Transfer& transfer) {
  if (transfer.operation != wire::Operation::kMark || transfer.place != wire::LocalPlace::kInline ||
      transfer.notify || transfer.length != 0) {
    return false;
  }
  const wire::MarkOperands& mark = transfer.descriptor.mark;
  const bool known =
      mark.kind >= wire::MarkKind::kWork && mark.kind <= wire::MarkKind::kHandlerEnds;
  if (!known || mark.timed_out > 1) return false;
  if (mark.kind != wire::MarkKind::kWaitForWord) return true;
  return mark.comparison <= 2 && (mark.width == 4 || mark.width == 8);
}

std::uint32_t needed_access(wire::Operation operation) {
  switch (operation) {
    case wire::Operation::kFetch:
      return wire::kAccessRead;
    case wire::Operation::kAtomic:
      return wire::kAccessRead | wire::kAccessWrite;
    case wire::Operation::kDeliberateUpdate:
    case wire::Operation::kAutomaticUpdate:
    case wire::Operation::kFlush:
    case wire::Operation::kMark:
      break;
  }
  return wire::kAccessWrite;
}

}  // namespace vmmc::nicsim
