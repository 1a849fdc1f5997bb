// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/trap/store_executor.h"

#if defined(__x86_64__)

#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <bit>

#include "platform/word_copy.h"
#include "vmmc/internal/memory/write_probe.h"

namespace vmmc::internal {
namespace {

using Verdict = StoreOutcome::Verdict;

StoreOutcome refused(const char* why) { return {Verdict::kRefused, 0, why}; }

std::size_t bytes_to_end_of_page(std::uintptr_t address) {
  return wire::kPageSize - address % wire::kPageSize;
}

// Calls visit(address, length) for each part of the range that lies on one page, until it returns
// false.
template <typename Visit>
void for_each_page(std::uintptr_t address, std::size_t length, Visit visit) {
  while (length > 0) {
    const std::size_t part = std::min(length, bytes_to_end_of_page(address));
    if (!visit(address, part)) return;
    address += part;
    length -= part;
  }
}

void report(const WatchTable& table, std::uintptr_t address, std::size_t length) {
  for_each_page(address, length, [&](std::uintptr_t part, std::size_t part_length) {
    const Watch* watch = table.find(part);
    if (watch != nullptr) watch->sink->stored(reinterpret_cast<const void*>(part), part_length);
    return true;
  });
}

// The first address in the range that is not watched and cannot be written, or 0.
std::uintptr_t first_unwritable(const WatchTable& table, std::uintptr_t address,
                                std::size_t length) {
  std::uintptr_t found = 0;
  for_each_page(address, length, [&](std::uintptr_t part, std::size_t) {
    if (table.find(part) == nullptr && !can_be_written(part)) found = part;
    return found == 0;
  });
  return found;
}

// A place for the operand of an instruction that is not the real one.
class OperandBuffer {
 public:
  explicit OperandBuffer(std::byte fill = std::byte{0}) { bytes_.fill(fill); }
  // As aligned as `address`.
  std::byte* at(std::uintptr_t address) { return &bytes_[address % kWidth]; }

  static constexpr std::size_t kWidth = 64;  // of the widest vector

 private:
  alignas(kWidth) std::array<std::byte, 2 * kWidth> bytes_;
};

// One attempt to make the store of an instruction.
class Execution {
 public:
  Execution(const StoreInstruction& instruction, const WatchTable& table, Registers& registers,
            const VectorState& vectors)
      : instruction_(instruction), table_(table), registers_(registers), vectors_(vectors) {
    operand_ = address_of(instruction, registers, segment_base_of(instruction.operand));
    stored_ = operand_ + distance_to_store(instruction, registers);
  }

  StoreOutcome run(std::uintptr_t fault) {
    if (fault - stored_ >= instruction_.width) return refused("faulted elsewhere than it stores");
    if (const char* why = what_forbids()) return refused(why);
    if (instruction_.partial) return run_partial();
    if (const Watch* watch = watch_on(0, instruction_.width)) {
      run_there(*watch);
      if (has_stored()) report(table_, stored_, instruction_.width);
      return {};
    }
    return run_in_buffer();
  }

 private:
  const char* what_forbids() const {
    constexpr std::uint32_t kAllMasked = 0x1f80;  // no exception of SSE is raised
    if (instruction_.uses_vectors && vectors_.components == 0)
      return "uses vector registers that the kernel does not show";
    if (instruction_.converts && (vectors_.control() & kAllMasked) != kAllMasked)
      return "converts numbers while floating point exceptions are on";
    if (instruction_.partial && instruction_.width > OperandBuffer::kWidth)
      return "stores too many bytes under a mask";
    return nullptr;
  }

  // The watch that covers all of the bytes from `first` up to `end` of those stored, or null.
  const Watch* watch_on(std::size_t first, std::size_t end) const {
    const Watch* watch = table_.find(stored_ + first);
    return watch != nullptr && stored_ + end <= watch->pages.end ? watch : nullptr;
  }

  void run_at(std::uintptr_t place) {
    run_instruction(instruction_, place + (operand_ - stored_), registers_, vectors_);
  }
  void run_there(const Watch& watch) {
    run_at(reinterpret_cast<std::uintptr_t>(watch.alias) + (stored_ - watch.pages.begin));
  }

  bool has_stored() const { return !instruction_.compares || (registers_.flags & kZeroFlag) != 0; }

  // A store beyond the pages of one watch.
  StoreOutcome run_in_buffer() {
    if (instruction_.locked) return refused("is atomic and reaches beyond the watched pages");
    if (instruction_.width > OperandBuffer::kWidth)
      return refused("reaches beyond the watched pages");
    if (const std::uintptr_t address = first_unwritable(table_, stored_, instruction_.width))
      return {Verdict::kNotWritable, address, ""};
    OperandBuffer buffer;
    std::byte* place = buffer.at(stored_);
    if (instruction_.loads)
      __builtin_memcpy(place, reinterpret_cast<const void*>(stored_), instruction_.width);
    run_at(reinterpret_cast<std::uintptr_t>(place));
    if (!has_stored()) return {};
    return store_bytes(table_, stored_, place, instruction_.width);
  }

  // A store under a mask. Tried out in two buffers that differ in every byte: where they agree
  // afterwards, it has stored.
  StoreOutcome run_partial() {
    OperandBuffer zeros;
    OperandBuffer ones{std::byte{0xff}};
    run_at(reinterpret_cast<std::uintptr_t>(zeros.at(stored_)));
    run_at(reinterpret_cast<std::uintptr_t>(ones.at(stored_)));
    const std::byte* values = zeros.at(stored_);
    std::uint64_t mask = 0;
    for (std::size_t i = 0; i < instruction_.width; ++i) {
      if (values[i] == ones.at(stored_)[i]) mask |= std::uint64_t{1} << i;
    }
    if (mask == 0) return {};
    const auto end = static_cast<std::size_t>(std::bit_width(mask));
    const Watch* watch = watch_on(static_cast<std::size_t>(std::countr_zero(mask)), end);
    if (watch != nullptr) run_there(*watch);
    return watch != nullptr ? report_runs(mask) : store_runs(mask, values);
  }

  // Calls visit(first, length) for each run of set bits.
  template <typename Visit>
  static void for_each_run(std::uint64_t mask, Visit visit) {
    std::size_t first = 0;
    while (mask != 0) {
      const auto gap = static_cast<std::size_t>(std::countr_zero(mask));
      mask >>= gap;
      first += gap;
      const auto length = static_cast<std::size_t>(std::countr_one(mask));
      visit(first, length);
      mask = length == 64 ? 0 : mask >> length;
      first += length;
    }
  }

  StoreOutcome report_runs(std::uint64_t mask) {
    for_each_run(mask, [&](std::size_t first, std::size_t length) {
      report(table_, stored_ + first, length);
    });
    return {};
  }

  StoreOutcome store_runs(std::uint64_t mask, const std::byte* values) {
    std::uintptr_t unwritable = 0;
    for_each_run(mask, [&](std::size_t first, std::size_t length) {
      if (unwritable == 0) unwritable = first_unwritable(table_, stored_ + first, length);
    });
    if (unwritable != 0) return {Verdict::kNotWritable, unwritable, ""};
    for_each_run(mask, [&](std::size_t first, std::size_t length) {
      store_bytes(table_, stored_ + first, values + first, length);
    });
    return {};
  }

  const StoreInstruction& instruction_;
  const WatchTable& table_;
  Registers& registers_;
  const VectorState& vectors_;
  std::uintptr_t operand_;
  std::uintptr_t stored_;
};

}  // namespace

StoreOutcome execute_movable(const StoreInstruction& instruction, std::uintptr_t fault,
                             const WatchTable& table, Registers& registers,
                             const VectorState& vectors) {
  return Execution(instruction, table, registers, vectors).run(fault);
}

StoreOutcome store_bytes(const WatchTable& table, std::uintptr_t address, const std::byte* bytes,
                         std::size_t length) {
  if (const std::uintptr_t unwritable = first_unwritable(table, address, length))
    return {Verdict::kNotWritable, unwritable, ""};
  for_each_page(address, length, [&](std::uintptr_t part, std::size_t part_length) {
    const Watch* watch = table.find(part);
    std::byte* place =
        watch != nullptr ? watch->alias_of(part) : reinterpret_cast<std::byte*>(part);
    platform::copy_words(place, bytes + (part - address), part_length);
    return true;
  });
  report(table, address, length);
  return {};
}

std::uintptr_t segment_base_of(const MemoryOperand& operand) {
  if (operand.segment == MemoryOperand::Segment::kFlat) return 0;
  std::uintptr_t base = 0;
  const int code = operand.segment == MemoryOperand::Segment::kFs ? ARCH_GET_FS : ARCH_GET_GS;
  ::syscall(SYS_arch_prctl, code, &base);
  return base;
}

}  // namespace vmmc::internal

#endif
