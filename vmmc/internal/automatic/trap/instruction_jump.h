// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The jump from C++ into one machine instruction with all registers of another thread, and back.
// x86-64.
//
// Threads: one jump of each name at a time; the place of the registers is static, because no
// register is left to hold its address while the instruction runs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vmmc::internal {

// What the instruction starts with, and what it leaves behind. The assembly below knows the
// offsets.
struct InstructionJump {
  std::uint64_t general[16];         // 0, as Registers::general
  std::uint64_t flags;               // 128
  std::uint64_t callers_stack;       // 136
  const void* code;                  // 144: ends with a jump to NAME_return
  std::byte* vectors;                // 152: an XSAVE area, aligned to 64 bytes
  std::uint64_t load_components;     // 160: of that area; 0: the instruction needs none
  std::uint64_t save_components;     // 168: what of them it leaves changed
  const std::byte* initial_vectors;  // 176: what the caller goes on with
};
static_assert(offsetof(InstructionJump, initial_vectors) == 176);

// An XSAVE area that says that every component is in its initial state: what a signal handler
// starts with. The functions that call through a jump keep nothing in vector registers across it,
// but they rely on the control words.
struct alignas(64) InitialVectors {
  static constexpr std::size_t kControlOffset = 24;
  static constexpr std::uint32_t kControl = 0x1f80;

  std::byte area[1024]{};
  constexpr InitialVectors() {
    area[kControlOffset] = std::byte{kControl & 0xff};
    area[kControlOffset + 1] = std::byte{kControl >> 8};
  }
};

}  // namespace vmmc::internal

// Defines the functions NAME_jump and NAME_return, which use the InstructionJump NAME.
#define VMMC_INSTRUCTION_JUMP(NAME) asm("  VMMC_INSTRUCTION_JUMP " #NAME)

asm(R"(
  .macro VMMC_INSTRUCTION_JUMP name
  .text
  .hidden \name\()_jump
  .globl \name\()_jump
  .type \name\()_jump, @function
\name\()_jump:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  lea \name\()(%rip), %rdi
  mov %rsp, 136(%rdi)
  mov 160(%rdi), %eax
  mov 164(%rdi), %edx
  test %eax, %eax
  jz 1f
  mov 152(%rdi), %rcx
  xrstor64 (%rcx)
1:
  pushq 128(%rdi)
  popfq
  mov 0(%rdi), %rax
  mov 8(%rdi), %rcx
  mov 16(%rdi), %rdx
  mov 24(%rdi), %rbx
  mov 32(%rdi), %rsp
  mov 40(%rdi), %rbp
  mov 48(%rdi), %rsi
  mov 64(%rdi), %r8
  mov 72(%rdi), %r9
  mov 80(%rdi), %r10
  mov 88(%rdi), %r11
  mov 96(%rdi), %r12
  mov 104(%rdi), %r13
  mov 112(%rdi), %r14
  mov 120(%rdi), %r15
  mov 56(%rdi), %rdi
  jmp *144+\name\()(%rip)
  .size \name\()_jump, . - \name\()_jump

  .hidden \name\()_return
  .globl \name\()_return
  .type \name\()_return, @function
\name\()_return:
  mov %rdi, 56+\name\()(%rip)
  lea \name\()(%rip), %rdi
  mov %rax, 0(%rdi)
  mov %rcx, 8(%rdi)
  mov %rdx, 16(%rdi)
  mov %rbx, 24(%rdi)
  mov %rsp, 32(%rdi)
  mov %rbp, 40(%rdi)
  mov %rsi, 48(%rdi)
  mov %r8, 64(%rdi)
  mov %r9, 72(%rdi)
  mov %r10, 80(%rdi)
  mov %r11, 88(%rdi)
  mov %r12, 96(%rdi)
  mov %r13, 104(%rdi)
  mov %r14, 112(%rdi)
  mov %r15, 120(%rdi)
  mov 136(%rdi), %rsp
  pushfq
  popq 128(%rdi)
  cld
  mov 168(%rdi), %eax
  mov 172(%rdi), %edx
  test %eax, %eax
  jz 2f
  mov 152(%rdi), %rcx
  xsave64 (%rcx)
2:
  mov 160(%rdi), %eax
  mov 164(%rdi), %edx
  test %eax, %eax
  jz 3f
  mov 176(%rdi), %rcx
  xrstor64 (%rcx)
3:
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
  .size \name\()_return, . - \name\()_return
  .endm
)");
