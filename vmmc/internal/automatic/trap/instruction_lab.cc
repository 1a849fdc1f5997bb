// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/trap/instruction_lab.h"

#if defined(__x86_64__)

#include <sys/mman.h>

#include <cstring>

#include "vmmc/internal/automatic/trap/instruction_jump.h"
#include "vmmc/internal/automatic/trap/instruction_runner.h"
#include "vmmc/internal/memory/memory_test_support.h"

extern "C" {
[[gnu::visibility("hidden")]] vmmc::internal::InstructionJump vmmc_lab;
[[gnu::visibility("hidden")]] void vmmc_lab_jump();
[[gnu::visibility("hidden")]] void vmmc_lab_return();
}
VMMC_INSTRUCTION_JUMP(vmmc_lab);

namespace vmmc::internal {
namespace {

constexpr std::uint64_t kAlwaysSet = 0x202;
// Of the XSAVE area: what the x87 says of its last instruction, and what is not a register.
constexpr std::size_t kLastInstruction = 6;
constexpr std::size_t kRegisters = 24;
constexpr std::size_t kHeader = 512;
constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kKernelsBytes = 464;

std::uint8_t* code_page() {
  static void* const page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE | PROT_EXEC,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(page != MAP_FAILED, "there is memory for code");
  return static_cast<std::uint8_t*>(page);
}

std::uint64_t components() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((std::uint64_t{high} << 32) | low) & VectorState::kAll;
}

}  // namespace

std::uintptr_t lab_address() { return reinterpret_cast<std::uintptr_t>(code_page()); }

void make_vectors_sound(Machine& machine) {
  std::byte* area = machine.vectors.data();
  const std::uint16_t control = 0x37f;  // no exceptions
  std::memset(area, 0, 32);
  std::memcpy(area, &control, sizeof control);
  area[4] = std::byte{0xff};  // all eight are in use
  std::memcpy(area + InitialVectors::kControlOffset, &InitialVectors::kControl,
              sizeof InitialVectors::kControl);
  const std::uint32_t every_bit = 0xffff;
  std::memcpy(area + InitialVectors::kControlOffset + 4, &every_bit, sizeof every_bit);
  for (std::size_t i = 0; i < 8; ++i) {  // 80-bit numbers between 1 and 2^64
    std::byte* number = area + 32 + 16 * i;
    number[7] |= std::byte{0x80};
    number[8] &= std::byte{0x3f};
    number[9] = std::byte{0x40};
    std::memset(number + 10, 0, 6);
  }
  const std::uint64_t present = components();
  std::memset(area + kKernelsBytes, 0, kHeader + kHeaderBytes - kKernelsBytes);
  std::memcpy(area + kHeader, &present, sizeof present);
}

bool Machine::is_like(const Machine& other) const {
  const std::byte* mine = vectors.data();
  const std::byte* others = other.vectors.data();
  const auto same = [&](std::size_t begin, std::size_t end) {
    return std::memcmp(mine + begin, others + begin, end - begin) == 0;
  };
  return registers.general == other.registers.general && registers.flags == other.registers.flags &&
         same(0, kLastInstruction) && same(kRegisters, kKernelsBytes) &&
         same(kHeader + kHeaderBytes, kVectorBytes);
}

void run_in_lab(std::span<const std::uint8_t> code, Machine& machine) {
  static constexpr InitialVectors kInitial;
  constexpr std::uint8_t kJumpThroughNextWord[] = {0xff, 0x25, 0, 0, 0, 0};
  auto* const target = &vmmc_lab_return;
  std::uint8_t* end = code_page() + code.size();
  std::memcpy(code_page(), code.data(), code.size());
  std::memcpy(end, kJumpThroughNextWord, sizeof kJumpThroughNextWord);
  std::memcpy(end + sizeof kJumpThroughNextWord, &target, sizeof target);
  std::memcpy(vmmc_lab.general, machine.registers.general.data(), sizeof vmmc_lab.general);
  vmmc_lab.flags = kAlwaysSet | machine.registers.flags;
  vmmc_lab.code = code_page();
  vmmc_lab.vectors = machine.vectors.data();
  vmmc_lab.load_components = vmmc_lab.save_components = components();
  vmmc_lab.initial_vectors = kInitial.area;
  asm volatile("" ::: "memory");
  vmmc_lab_jump();
  asm volatile("" ::: "memory");
  std::memcpy(machine.registers.general.data(), vmmc_lab.general, sizeof vmmc_lab.general);
  machine.registers.flags = vmmc_lab.flags & ~kAlwaysSet;
}

}  // namespace vmmc::internal

#endif
