// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/trap/instruction_runner.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstring>

#include "nicsim/wire/version.h"
#include "platform/system_calls.h"
#include "vmmc/internal/automatic/trap/instruction_jump.h"

extern "C" {
[[gnu::visibility("hidden")]] vmmc::internal::InstructionJump vmmc_run;
[[gnu::visibility("hidden")]] void vmmc_run_jump();
[[gnu::visibility("hidden")]] void vmmc_run_return();
}
VMMC_INSTRUCTION_JUMP(vmmc_run);

namespace vmmc::internal {
namespace {

// ---- the vector state

// What the kernel says about the state in the bytes of the FXSAVE area that the processor leaves
// alone.
struct KernelsNote {
  std::uint32_t magic;
  std::uint32_t extended_size;
  std::uint64_t components;
};
constexpr std::size_t kNoteOffset = 464;
constexpr std::uint32_t kNoteMagic = 0x46505853;
constexpr InitialVectors kInitialVectors;

// ---- the page of instructions

// Instructions stay where they were put until another one needs the place: to write what is then
// executed costs the processor a new start.
struct Slot {
  std::array<std::uint8_t, 16> code{};
  std::uint8_t code_length = 0;
};
constexpr std::size_t kSlotBytes = 64;
constexpr std::size_t kSlots = wire::kPageSize / kSlotBytes;
std::array<Slot, kSlots> slots;
std::byte* page = nullptr;

std::size_t slot_for(const StoreInstruction& instruction) {
  std::uint64_t words[2];
  static_assert(sizeof words == sizeof instruction.code);
  std::memcpy(words, instruction.code.data(), sizeof words);
  return ((words[0] ^ (words[1] * 31)) * 0x9e3779b97f4a7c15) >> 58;
}
static_assert(kSlots == std::size_t{1} << (64 - 58));

const std::byte* place(const StoreInstruction& instruction) {
  const std::size_t number = slot_for(instruction);
  Slot& slot = slots[number];
  std::byte* code = page + number * kSlotBytes;
  if (slot.code_length == instruction.code_length && slot.code == instruction.code) return code;
  constexpr std::uint8_t kJumpThroughNextWord[] = {0xff, 0x25, 0, 0, 0, 0};
  auto* const target = &vmmc_run_return;
  std::byte* end = code + instruction.code_length;
  // A child forked here by another thread must not take what is half written for what stood here.
  slot.code_length = 0;
  asm volatile("" ::: "memory");
  std::memcpy(code, instruction.code.data(), instruction.code_length);
  std::memcpy(end, kJumpThroughNextWord, sizeof kJumpThroughNextWord);
  std::memcpy(end + sizeof kJumpThroughNextWord, &target, sizeof target);
  slot.code = instruction.code;
  asm volatile("" ::: "memory");
  slot.code_length = instruction.code_length;
  return code;
}

}  // namespace

std::uint32_t VectorState::control() const {
  std::uint32_t word;
  std::memcpy(&word, area + InitialVectors::kControlOffset, sizeof word);
  return word;
}

VectorState vector_state_of(void* context) {
  auto* area = reinterpret_cast<std::byte*>(static_cast<ucontext_t*>(context)->uc_mcontext.fpregs);
  KernelsNote note;
  std::memcpy(&note, area + kNoteOffset, sizeof note);
  return {area, note.magic == kNoteMagic ? note.components & VectorState::kAll : 0};
}

bool has_vector_state() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_OSXSAVE) != 0;
}

std::optional<platform::SystemError> prepare_runner() {
  if (page != nullptr) return std::nullopt;
  void* made =
      platform::system_calls().mmap(nullptr, wire::kPageSize, PROT_READ | PROT_WRITE | PROT_EXEC,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) return platform::last_system_error("mmap");
  page = static_cast<std::byte*>(made);
  return std::nullopt;
}

void run_instruction(const StoreInstruction& instruction, std::uintptr_t operand,
                     Registers& registers, const VectorState& vectors) {
  constexpr std::uint64_t kHandlersFlags = 0x202;  // interrupts on, as always here
  std::memcpy(vmmc_run.general, registers.general.data(), sizeof vmmc_run.general);
  vmmc_run.general[instruction.address_register] = operand;
  vmmc_run.flags = kHandlersFlags | (registers.flags & kStatusFlags);
  vmmc_run.code = place(instruction);
  vmmc_run.vectors = vectors.area;
  vmmc_run.load_components = instruction.uses_vectors ? vectors.components : 0;
  vmmc_run.save_components = instruction.changes_vectors ? vectors.components : 0;
  vmmc_run.initial_vectors = kInitialVectors.area;
  // The compiler sees no access to what the instruction works on.
  asm volatile("" ::: "memory");
  vmmc_run_jump();
  asm volatile("" ::: "memory");
  const std::uint64_t kept = registers.general[instruction.address_register];
  std::memcpy(registers.general.data(), vmmc_run.general, sizeof vmmc_run.general);
  registers.general[instruction.address_register] = kept;
  registers.flags = (registers.flags & ~kStatusFlags) | (vmmc_run.flags & kStatusFlags);
}

}  // namespace vmmc::internal

#endif
