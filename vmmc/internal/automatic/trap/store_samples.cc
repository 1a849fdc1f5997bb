// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/trap/store_samples.h"

#if defined(__x86_64__)

extern "C" {
[[gnu::visibility("hidden")]] extern const vmmc::internal::StoreSample kVmmcStoreSamples[];
[[gnu::visibility("hidden")]] extern const vmmc::internal::StoreSample kVmmcStoreSamplesEnd[];
}

// width, alignment, needs, offset, instruction
asm(R"(
  .macro SAMPLE width, alignment, needs, offset, text:vararg
  .short \width
  .byte \alignment, \needs, \offset, 2f-1f
1: \text
2: .zero 26-(2b-1b)
3: .asciz "\text"
4: .zero 48-(4b-3b)
  .endm
  .pushsection .rodata
  .balign 16
  .hidden kVmmcStoreSamples
  .globl kVmmcStoreSamples
kVmmcStoreSamples:
  SAMPLE 1, 1, 0, 0, mov %cl, (%rbx)
  SAMPLE 1, 1, 0, 128, mov %cl, 64(%rbx,%r14,8)
  SAMPLE 2, 1, 0, 0, mov %cx, (%rbx)
  SAMPLE 2, 1, 0, 128, mov %cx, 64(%rbx,%r14,8)
  SAMPLE 4, 1, 0, 0, mov %ecx, (%rbx)
  SAMPLE 4, 1, 0, 128, mov %ecx, 64(%rbx,%r14,8)
  SAMPLE 8, 1, 0, 0, mov %rcx, (%rbx)
  SAMPLE 8, 1, 0, 128, mov %rcx, 64(%rbx,%r14,8)
  SAMPLE 1, 1, 0, 0, mov %ah, (%rbx)
  SAMPLE 1, 1, 0, 0, mov %sil, (%rbx)
  SAMPLE 1, 1, 0, 0, mov %bh, (%rbx)
  SAMPLE 8, 1, 0, 0, mov %rbx, (%rbx)
  SAMPLE 8, 1, 0, 0, mov %rsp, (%rbx)
  SAMPLE 8, 1, 0, 0, mov %r15, (%rdi)
  SAMPLE 8, 1, 0, 128, mov %r12, 128(%r10)
  SAMPLE 4, 1, 0, 128, mov %ecx, 128(%r13)
  SAMPLE 1, 1, 0, 0, movb $0x5a, (%rbx)
  SAMPLE 2, 1, 0, 0, movw $0x5a5b, (%rbx)
  SAMPLE 4, 1, 0, 0, movl $0x5a5b5c5d, (%rbx)
  SAMPLE 8, 1, 0, 128, movq $-7, 128(%rbx)
  SAMPLE 2, 1, 0, 0, mov %ds, (%rbx)
  SAMPLE 4, 1, 0, 0, movnti %ecx, (%rbx)
  SAMPLE 8, 1, 0, 0, movnti %rcx, (%rbx)
  SAMPLE 8, 1, 2, 0, movbe %rcx, (%rbx)
  SAMPLE 8, 1, 0, 0, mov %rcx, %cs:(%rbx)
  SAMPLE 8, 1, 0, 0, add %rcx, (%rbx)
  SAMPLE 1, 1, 0, 0, addb $3, (%rbx)
  SAMPLE 8, 1, 0, 0, or %rcx, (%rbx)
  SAMPLE 1, 1, 0, 0, orb $3, (%rbx)
  SAMPLE 8, 1, 0, 0, adc %rcx, (%rbx)
  SAMPLE 1, 1, 0, 0, adcb $3, (%rbx)
  SAMPLE 8, 1, 0, 0, sbb %rcx, (%rbx)
  SAMPLE 1, 1, 0, 0, sbbb $3, (%rbx)
  SAMPLE 8, 1, 0, 0, and %rcx, (%rbx)
  SAMPLE 1, 1, 0, 0, andb $3, (%rbx)
  SAMPLE 8, 1, 0, 0, sub %rcx, (%rbx)
  SAMPLE 1, 1, 0, 0, subb $3, (%rbx)
  SAMPLE 8, 1, 0, 0, xor %rcx, (%rbx)
  SAMPLE 1, 1, 0, 0, xorb $3, (%rbx)
  SAMPLE 4, 4, 0, 0, lock add %ecx, (%rbx)
  SAMPLE 2, 1, 0, 128, adcw $-2, 128(%rbx)
  SAMPLE 8, 8, 0, 0, lock sub %rbx, (%rbx)
  SAMPLE 4, 4, 0, 0, lock orl $0x10, (%rbx)
  SAMPLE 4, 1, 0, 0, incl (%rbx)
  SAMPLE 8, 8, 0, 0, lock incq (%rbx)
  SAMPLE 4, 1, 0, 0, decl (%rbx)
  SAMPLE 8, 8, 0, 0, lock decq (%rbx)
  SAMPLE 4, 1, 0, 0, notl (%rbx)
  SAMPLE 8, 8, 0, 0, lock notq (%rbx)
  SAMPLE 4, 1, 0, 0, negl (%rbx)
  SAMPLE 8, 8, 0, 0, lock negq (%rbx)
  SAMPLE 8, 1, 0, 0, shlq $5, (%rbx)
  SAMPLE 2, 1, 0, 0, shlw %cl, (%rbx)
  SAMPLE 8, 1, 0, 0, sarq $5, (%rbx)
  SAMPLE 2, 1, 0, 0, sarw %cl, (%rbx)
  SAMPLE 8, 1, 0, 0, rorq $5, (%rbx)
  SAMPLE 2, 1, 0, 0, rorw %cl, (%rbx)
  SAMPLE 8, 1, 0, 0, rclq $5, (%rbx)
  SAMPLE 2, 1, 0, 0, rclw %cl, (%rbx)
  SAMPLE 8, 1, 0, 0, shld %cl, %rdx, (%rbx)
  SAMPLE 4, 1, 0, 0, shrd $7, %edx, (%rbx)
  SAMPLE 1, 1, 0, 0, setc (%rbx)
  SAMPLE 1, 1, 0, 0, setz (%rbx)
  SAMPLE 1, 1, 0, 0, sets (%rbx)
  SAMPLE 1, 1, 0, 0, seto (%rbx)
  SAMPLE 1, 1, 0, 0, setp (%rbx)
  SAMPLE 1, 1, 0, 0, setbe (%rbx)
  SAMPLE 1, 1, 0, 0, setl (%rbx)
  SAMPLE 1, 1, 0, 0, setle (%rbx)
  SAMPLE 8, 8, 0, 0, xchg %rcx, (%rbx)
  SAMPLE 8, 8, 0, 0, xchg %rbx, (%rbx)
  SAMPLE 1, 1, 0, 0, xchg %dh, (%rbx)
  SAMPLE 4, 4, 0, 0, xchg %eax, (%rbx)
  SAMPLE 8, 8, 0, 0, lock xadd %rcx, (%rbx)
  SAMPLE 4, 4, 0, 0, xadd %eax, (%rbx)
  SAMPLE 1, 1, 0, 0, lock xadd %cl, (%rbx)
  SAMPLE 8, 8, 1, 0, cmpxchg %rcx, (%rbx)
  SAMPLE 4, 4, 1, 0, cmpxchg %ecx, (%rbx)
  SAMPLE 1, 1, 1, 0, cmpxchg %cl, (%rbx)
  SAMPLE 8, 8, 1, 0, cmpxchg8b (%rdi)
  SAMPLE 16, 16, 1, 0, cmpxchg16b (%rdi)
  SAMPLE 8, 8, 1, 0, lock cmpxchg %rcx, (%rbx)
  SAMPLE 4, 4, 1, 0, lock cmpxchg %ecx, (%rbx)
  SAMPLE 1, 1, 1, 0, lock cmpxchg %cl, (%rbx)
  SAMPLE 8, 8, 1, 0, lock cmpxchg8b (%rdi)
  SAMPLE 16, 16, 1, 0, lock cmpxchg16b (%rdi)
  SAMPLE 8, 8, 0, 0, lock btsq $5, (%rbx)
  SAMPLE 4, 1, 0, 0, btrl $31, (%rbx)
  SAMPLE 2, 1, 0, 0, btcw $3, (%rbx)
  SAMPLE 8, 1, 0, 0, popq (%rbx)
  SAMPLE 2, 1, 0, 0, popw (%rbx)
  SAMPLE 16, 16, 0, 0, movaps %xmm7, (%rbx)
  SAMPLE 16, 16, 0, 128, movaps %xmm7, 64(%rbx,%r14,8)
  SAMPLE 16, 1, 0, 0, movups %xmm7, (%rbx)
  SAMPLE 16, 1, 0, 128, movups %xmm7, 64(%rbx,%r14,8)
  SAMPLE 16, 16, 0, 0, movdqa %xmm7, (%rbx)
  SAMPLE 16, 16, 0, 128, movdqa %xmm7, 64(%rbx,%r14,8)
  SAMPLE 16, 1, 0, 0, movdqu %xmm7, (%rbx)
  SAMPLE 16, 1, 0, 128, movdqu %xmm7, 64(%rbx,%r14,8)
  SAMPLE 16, 16, 0, 0, movntdq %xmm7, (%rbx)
  SAMPLE 16, 16, 0, 128, movntdq %xmm7, 64(%rbx,%r14,8)
  SAMPLE 16, 16, 0, 0, movntps %xmm7, (%rbx)
  SAMPLE 16, 16, 0, 128, movntps %xmm7, 64(%rbx,%r14,8)
  SAMPLE 8, 1, 0, 0, movlps %xmm7, (%rbx)
  SAMPLE 8, 1, 0, 128, movlps %xmm7, 64(%rbx,%r14,8)
  SAMPLE 8, 1, 0, 0, movhps %xmm7, (%rbx)
  SAMPLE 8, 1, 0, 128, movhps %xmm7, 64(%rbx,%r14,8)
  SAMPLE 8, 1, 0, 0, movq %xmm7, (%rbx)
  SAMPLE 8, 1, 0, 128, movq %xmm7, 64(%rbx,%r14,8)
  SAMPLE 4, 1, 0, 0, movd %xmm7, (%rbx)
  SAMPLE 4, 1, 0, 128, movd %xmm7, 64(%rbx,%r14,8)
  SAMPLE 4, 1, 0, 0, movss %xmm7, (%rbx)
  SAMPLE 4, 1, 0, 128, movss %xmm7, 64(%rbx,%r14,8)
  SAMPLE 8, 1, 0, 0, movsd %xmm7, (%rbx)
  SAMPLE 8, 1, 0, 128, movsd %xmm7, 64(%rbx,%r14,8)
  SAMPLE 16, 1, 0, 128, movdqu %xmm13, 128(%r10)
  SAMPLE 8, 1, 0, 0, movhpd %xmm1, (%rbx)
  SAMPLE 1, 1, 2, 0, pextrb $3, %xmm2, (%rbx)
  SAMPLE 4, 1, 2, 0, extractps $2, %xmm2, (%rbx)
  SAMPLE 0, 1, 0, 0, maskmovdqu %xmm4, %xmm5
  SAMPLE 0, 1, 0, 0, maskmovq %mm4, %mm5
  SAMPLE 8, 1, 0, 0, movq %mm3, (%rbx)
  SAMPLE 8, 1, 0, 0, movntq %mm3, (%rbx)
  SAMPLE 10, 1, 0, 0, fstpt (%rbx)
  SAMPLE 8, 1, 0, 0, fstl (%rbx)
  SAMPLE 4, 1, 0, 128, fstps 128(%rbx)
  SAMPLE 8, 1, 0, 0, fistpll (%rbx)
  SAMPLE 2, 1, 0, 0, fnstcw (%rbx)
  SAMPLE 2, 1, 0, 0, fnstsw (%rbx)
  SAMPLE 4, 1, 0, 0, stmxcsr (%rbx)
  SAMPLE 10, 1, 0, 0, fbstp (%rbx)
  SAMPLE 32, 1, 3, 0, vmovdqu %ymm9, (%rbx)
  SAMPLE 32, 1, 3, 128, vmovdqu %ymm9, 64(%rbx,%r14,8)
  SAMPLE 32, 32, 3, 0, vmovdqa %ymm9, (%rbx)
  SAMPLE 32, 32, 3, 128, vmovdqa %ymm9, 64(%rbx,%r14,8)
  SAMPLE 32, 32, 3, 0, vmovaps %ymm2, (%rbx)
  SAMPLE 32, 32, 3, 128, vmovaps %ymm2, 64(%rbx,%r14,8)
  SAMPLE 16, 1, 3, 0, vmovups %xmm2, (%rbx)
  SAMPLE 16, 1, 3, 128, vmovups %xmm2, 64(%rbx,%r14,8)
  SAMPLE 32, 32, 3, 0, vmovntdq %ymm3, (%rbx)
  SAMPLE 32, 32, 3, 128, vmovntdq %ymm3, 64(%rbx,%r14,8)
  SAMPLE 4, 1, 3, 0, vmovss %xmm3, (%rbx)
  SAMPLE 4, 1, 3, 128, vmovss %xmm3, 64(%rbx,%r14,8)
  SAMPLE 8, 1, 3, 0, vmovq %xmm3, (%rbx)
  SAMPLE 8, 1, 3, 128, vmovq %xmm3, 64(%rbx,%r14,8)
  SAMPLE 16, 1, 3, 0, vextracti128 $1, %ymm4, (%rbx)
  SAMPLE 16, 1, 3, 0, vcvtps2ph $0, %ymm4, (%rbx)
  SAMPLE 32, 1, 3, 128, vmovdqu %ymm14, 128(%r10)
  SAMPLE 0, 1, 3, 0, vmaskmovps %ymm4, %ymm5, (%rbx)
  SAMPLE 0, 1, 3, 128, vmaskmovps %ymm4, %ymm5, 64(%rbx,%r14,8)
  SAMPLE 0, 1, 3, 0, vpmaskmovd %ymm4, %ymm5, (%rbx)
  SAMPLE 0, 1, 3, 128, vpmaskmovd %ymm4, %ymm5, 64(%rbx,%r14,8)
  SAMPLE 0, 1, 3, 0, vpmaskmovq %ymm4, %ymm5, (%rbx)
  SAMPLE 0, 1, 3, 128, vpmaskmovq %ymm4, %ymm5, 64(%rbx,%r14,8)
  SAMPLE 0, 1, 3, 0, vmaskmovpd %ymm4, %ymm5, (%rbx)
  SAMPLE 0, 1, 3, 128, vmaskmovpd %ymm4, %ymm5, 64(%rbx,%r14,8)
  SAMPLE 0, 1, 3, 0, vmaskmovps %xmm4, %xmm5, (%rbx)
  SAMPLE 0, 1, 3, 0, vmaskmovdqu %xmm4, %xmm5
  SAMPLE 64, 1, 4, 0, vmovdqu64 %zmm20, (%rbx)
  SAMPLE 64, 1, 4, 128, vmovdqu64 %zmm20, 64(%rbx,%r14,8)
  SAMPLE 64, 64, 4, 0, vmovdqa64 %zmm3, (%rbx)
  SAMPLE 64, 64, 4, 128, vmovdqa64 %zmm3, 64(%rbx,%r14,8)
  SAMPLE 32, 1, 4, 0, vmovups %ymm29, (%rbx)
  SAMPLE 32, 1, 4, 128, vmovups %ymm29, 64(%rbx,%r14,8)
  SAMPLE 64, 64, 4, 0, vmovntdq %zmm30, (%rbx)
  SAMPLE 64, 64, 4, 128, vmovntdq %zmm30, 64(%rbx,%r14,8)
  SAMPLE 16, 1, 4, 0, vmovdqu8 %xmm17, (%rbx)
  SAMPLE 16, 1, 4, 128, vmovdqu8 %xmm17, 64(%rbx,%r14,8)
  SAMPLE 8, 1, 4, 0, vmovsd %xmm31, (%rbx)
  SAMPLE 8, 1, 4, 128, vmovsd %xmm31, 64(%rbx,%r14,8)
  SAMPLE 0, 1, 4, 0, vmovdqu8 %zmm20, (%rbx){%k1}
  SAMPLE 0, 1, 4, 128, vmovdqu8 %zmm20, 64(%rbx,%r14,8){%k1}
  SAMPLE 0, 1, 4, 0, vmovdqu16 %ymm21, (%rbx){%k2}
  SAMPLE 0, 1, 4, 128, vmovdqu16 %ymm21, 64(%rbx,%r14,8){%k2}
  SAMPLE 0, 1, 4, 0, vmovdqu32 %zmm2, (%rbx){%k3}
  SAMPLE 0, 1, 4, 128, vmovdqu32 %zmm2, 64(%rbx,%r14,8){%k3}
  SAMPLE 0, 1, 4, 0, vmovdqu64 %xmm3, (%rbx){%k4}
  SAMPLE 0, 1, 4, 128, vmovdqu64 %xmm3, 64(%rbx,%r14,8){%k4}
  SAMPLE 0, 1, 4, 0, vpcompressd %zmm2, (%rbx){%k5}
  SAMPLE 0, 1, 4, 128, vpcompressd %zmm2, 64(%rbx,%r14,8){%k5}
  SAMPLE 0, 1, 4, 0, vpmovdb %zmm2, (%rbx){%k5}
  SAMPLE 0, 1, 4, 128, vpmovdb %zmm2, 64(%rbx,%r14,8){%k5}
  SAMPLE 0, 1, 4, 0, vextracti32x4 $2, %zmm2, (%rbx){%k5}
  SAMPLE 0, 1, 4, 128, vextracti32x4 $2, %zmm2, 64(%rbx,%r14,8){%k5}
  SAMPLE 0, 1, 4, 0, vmovss %xmm2, (%rbx){%k1}
  SAMPLE 0, 1, 4, 128, vmovss %xmm2, 64(%rbx,%r14,8){%k1}
  SAMPLE 0, 64, 4, 0, vmovdqa32 %zmm7, (%rbx){%k6}
  SAMPLE 16, 1, 4, 0, vpmovdb %zmm2, (%rbx)
  SAMPLE 8, 1, 4, 0, kmovq %k3, (%rbx)
  SAMPLE 2, 1, 4, 0, kmovw %k3, (%rbx)
  SAMPLE 32, 1, 4, 0, vextracti64x4 $1, %zmm9, (%rbx)
  SAMPLE 64, 1, 4, 128, vmovdqu64 %zmm20, 128(%r10)
  SAMPLE 512, 16, 0, 0, fxsave64 (%rbx)
  .hidden kVmmcStoreSamplesEnd
  .globl kVmmcStoreSamplesEnd
kVmmcStoreSamplesEnd:
  .popsection
)");

namespace vmmc::internal {

bool StoreSample::runs_here() const {
  switch (needs) {
    case kNothing:
    case kCompares:
      return true;
    case kSse4:
      return __builtin_cpu_supports("sse4.2") != 0;
    case kAvx2:
      return __builtin_cpu_supports("avx2") != 0;
    case kAvx512:
      return __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
             __builtin_cpu_supports("avx512dq") != 0;
  }
  return false;
}

std::span<const StoreSample> store_samples() { return {kVmmcStoreSamples, kVmmcStoreSamplesEnd}; }

}  // namespace vmmc::internal

#endif
