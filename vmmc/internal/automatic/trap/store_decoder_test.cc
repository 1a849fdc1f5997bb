// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/trap/store_decoder.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#if defined(__x86_64__)

namespace vmmc::internal {
namespace {

using Form = StoreInstruction::Form;
using Pushed = StoreInstruction::Pushed;
using Code = std::vector<std::uint8_t>;

StoreInstruction decode(const Code& code) { return decode_store(code.data(), code.size()); }

Code rewritten(const StoreInstruction& store) {
  return {store.code.begin(), store.code.begin() + store.code_length};
}

TEST_CASE("the rewritten instruction names its memory by one register that is free") {
  struct Row {
    Code code;
    Code rewritten;
    int width;
    int address_register;
  };
  const Row rows[] = {
      {{0x89, 0x08}, {0x89, 0x0f}, 4, 7},                          // mov [rax], ecx
      {{0x48, 0x89, 0x4c, 0xb3, 0x08}, {0x48, 0x89, 0x0f}, 8, 7},  // mov [rbx + rsi*4 + 8], rcx
      {{0x4a, 0x89, 0x8c, 0xa3, 0, 1, 0, 0}, {0x48, 0x89, 0x0f}, 8, 7},  // [rbx + r12*4 + 256]
      {{0x4d, 0x89, 0x3c, 0x24}, {0x4c, 0x89, 0x3f}, 8, 7},              // mov [r12], r15
      {{0x48, 0x89, 0x3f}, {0x48, 0x89, 0x3e}, 8, 6},                    // mov [rdi], rdi
      {{0x88, 0x27}, {0x88, 0x27}, 1, 7},                                // mov [rdi], ah
      {{0xc6, 0x05, 0, 0, 0, 0, 0x5a}, {0xc6, 0x07, 0x5a}, 1, 7},        // mov byte [rip + 0], 0x5a
      {{0x67, 0x89, 0x08}, {0x89, 0x0f}, 4, 7},                          // mov [eax], ecx
      {{0x64, 0x66, 0x89, 0x08}, {0x66, 0x89, 0x0f}, 2, 7},              // mov fs:[rax], cx
      {{0x48, 0x66, 0x89, 0x08}, {0x66, 0x89, 0x0f}, 2, 7},  // the REX prefix is not heeded
      {{0xf0, 0x48, 0x0f, 0xc7, 0x0f}, {0xf0, 0x48, 0x0f, 0xc7, 0x0f}, 16, 7},  // cmpxchg16b
      {{0xa3, 1, 2, 3, 4, 5, 6, 7, 8}, {0x89, 0x07}, 4, 7},                     // mov [moffs], eax
      {{0x48, 0xa3, 1, 2, 3, 4, 5, 6, 7, 8}, {0x48, 0x89, 0x07}, 8, 7},
      {{0xa2, 1, 2, 3, 4, 5, 6, 7, 8}, {0x88, 0x07}, 1, 7},
      {{0xc5, 0xfe, 0x7f, 0x00}, {0xc5, 0xfe, 0x7f, 0x07}, 32, 7},  // vmovdqu [rax], ymm0
      {{0xc4, 0x01, 0x7e, 0x7f, 0x0c, 0xc1}, {0xc4, 0x61, 0x7e, 0x7f, 0x0f}, 32, 7},
      {{0x62, 0xc1, 0xfe, 0x48, 0x7f, 0x64, 0x24, 0x02},  // vmovdqu64 [r12 + 128], zmm20
       {0x62, 0xe1, 0xfe, 0x48, 0x7f, 0x27},
       64,
       7},
  };
  for (const Row& row : rows) {
    INFO("first bytes " << int{row.code[0]} << " " << int{row.code[1]});
    const StoreInstruction store = decode(row.code);
    REQUIRE(store.form == Form::kMovable);
    CHECK(store.length == row.code.size());
    CHECK(rewritten(store) == row.rewritten);
    CHECK(store.width == row.width);
    CHECK(store.address_register == row.address_register);
  }
}

TEST_CASE("what an instruction does beyond storing is noted") {
  CHECK(decode({0x01, 0x08}).loads);        // add [rax], ecx
  CHECK_FALSE(decode({0x89, 0x08}).loads);  // mov [rax], ecx
  CHECK_FALSE(decode({0x01, 0x08}).locked);
  CHECK(decode({0xf0, 0x01, 0x08}).locked);
  CHECK(decode({0x87, 0x08}).locked);  // xchg [rax], ecx
  CHECK(decode({0x0f, 0xb1, 0x08}).compares);
  CHECK_FALSE(decode({0x0f, 0xc1, 0x08}).compares);  // xadd [rax], ecx
  CHECK_FALSE(decode({0x89, 0x08}).uses_vectors);
  const StoreInstruction vector = decode({0x0f, 0x11, 0x00});  // movups [rax], xmm0
  CHECK((vector.uses_vectors && !vector.changes_vectors && !vector.partial));
  const StoreInstruction pop = decode({0xdd, 0x18});  // fstp qword [rax]
  CHECK((pop.uses_vectors && pop.changes_vectors));
  CHECK(decode({0xc4, 0xe2, 0x75, 0x2e, 0x10}).partial);        // vmaskmovps [rax], ymm1, ymm2
  CHECK(decode({0x62, 0xf1, 0x7f, 0x49, 0x7f, 0x18}).partial);  // vmovdqu8 [rax]{k1}, zmm3
  CHECK_FALSE(decode({0x62, 0xf1, 0x7f, 0x48, 0x7f, 0x18}).partial);
  CHECK(decode({0xc4, 0xe3, 0x7d, 0x1d, 0x08, 0x03}).converts);  // vcvtps2ph [rax], ymm1, 3
}

TEST_CASE("string instructions") {
  const StoreInstruction copy = decode({0xf3, 0x48, 0xa5});  // rep movsq
  CHECK((copy.form == Form::kString && copy.copies && copy.repeated && copy.width == 8));
  const StoreInstruction fill = decode({0x66, 0xab});  // stosw
  CHECK((fill.form == Form::kString && !fill.copies && !fill.repeated && fill.width == 2));
  CHECK(decode({0xf2, 0x0f, 0x11, 0x00}).form == Form::kMovable);  // movsd [rax], xmm0
}

TEST_CASE("pushes and calls") {
  const StoreInstruction constant = decode({0x6a, 0xfe});
  CHECK((constant.form == Form::kPush && constant.pushed == Pushed::kConstant));
  CHECK((constant.constant == -2 && constant.width == 8 && !constant.calls));
  const StoreInstruction r9 = decode({0x41, 0x51});
  CHECK((r9.form == Form::kPush && r9.pushed == Pushed::kRegister && r9.pushed_register == 9));
  CHECK(decode({0x66, 0x51}).width == 2);
  CHECK(decode({0x9c}).pushed == Pushed::kFlags);
  const StoreInstruction call = decode({0xe8, 0x10, 0, 0, 0});
  CHECK((call.calls && call.pushed == Pushed::kConstant && call.constant == 0x10));
  const StoreInstruction indirect = decode({0xff, 0x53, 0x08});  // call [rbx + 8]
  CHECK((indirect.calls && indirect.pushed == Pushed::kMemory));
  CHECK((indirect.operand.base == 3 && indirect.operand.displacement == 8));
}

TEST_CASE("what cannot be moved is refused, and why is said") {
  const auto refusal = [](const Code& code) {
    const StoreInstruction store = decode(code);
    return store.form == Form::kRefused ? std::string(store.refusal) : "not refused";
  };
  CHECK(refusal({0x62, 0xf2, 0x7d, 0x49, 0xa0, 0x14, 0x88}) == "scatters");
  CHECK(refusal({0x0f, 0xae, 0x20}) == "saves the processor's state");  // xsave [rax]
  CHECK(refusal({0xff, 0x18}) == "is a far call");
  CHECK(refusal({0x0f, 0xa0}) == "pushes a segment register");
  CHECK(refusal({0x67, 0xaa}) == "is a string instruction with 32-bit addresses");
  CHECK(refusal({0x64, 0xa4}) == "is a string instruction with a segment");
  CHECK(refusal({0xc8, 0x10, 0, 0}) ==  // enter
        "does not name its memory in a way that can be replaced");
  CHECK(refusal({0x0f, 0x01, 0xfc}) == "stores in a way that is not described");  // clzero
  CHECK(refusal({0x66, 0x0f, 0x38, 0xf8, 0x03}) ==                                // movdir64b
        "does not name its memory in a way that can be replaced");
  CHECK(refusal({0x48, 0x8b, 0x00}) == "stores in a way that is not described");  // it loads
}

TEST_CASE("an instruction that is cut off has no length") {
  CHECK(decode({0x48, 0x89}).length == 0);
  CHECK(decode({0x48, 0x89, 0x08}).length == 3);
}

TEST_CASE("the address is what the processor forms") {
  Registers registers;
  for (std::size_t i = 0; i < registers.general.size(); ++i)
    registers.general[i] = 0x100000000 * (i + 1) + 0x10 * i;
  registers.instruction = 0x400000;
  const auto address = [&](const Code& code, std::uintptr_t base) {
    return address_of(decode(code), registers, base);
  };
  CHECK(address({0x89, 0x08}, 0) == registers.general[0]);
  CHECK(address({0x89, 0x4c, 0xb3, 0xf8}, 0) ==
        registers.general[3] + 4 * registers.general[6] - 8);
  CHECK(address({0xc6, 0x05, 0x10, 0, 0, 0, 0x5a}, 0) == 0x400000 + 7 + 0x10);
  CHECK(address({0x67, 0x89, 0x4c, 0xb3, 0x08}, 0) == 0x30 + 4 * 0x60 + 8);
  CHECK(address({0x64, 0x89, 0x08}, 0x7000) == registers.general[0] + 0x7000);
  CHECK(address({0xa3, 8, 7, 6, 5, 4, 3, 2, 1}, 0) == 0x0102030405060708);
  CHECK(address({0x62, 0xe1, 0xfe, 0x48, 0x7f, 0x60, 0x02}, 0) == registers.general[0] + 128);
  CHECK(address({0x8f, 0x44, 0x24, 0x08}, 0) == registers.general[kRsp] + 8 + 8);  // pop
}

TEST_CASE("a bit number in a register may lead far away") {
  Registers registers;
  const auto distance = [&](const Code& code, std::int64_t bit) {
    registers.general[kRcx] = static_cast<std::uint64_t>(bit);
    return distance_to_store(decode(code), registers);
  };
  const Code bts_of_rcx = {0x48, 0x0f, 0xab, 0x08};
  CHECK(distance(bts_of_rcx, 63) == 0);
  CHECK(distance(bts_of_rcx, 64) == 8);
  CHECK(distance(bts_of_rcx, -1) == -8);
  CHECK(distance({0x0f, 0xab, 0x08}, 0x1ffffffff) == -4);       // ecx: -1
  CHECK(distance({0x66, 0x0f, 0xab, 0x08}, 0x18010) == -4094);  // cx: -32752
  CHECK(distance({0x48, 0x0f, 0xba, 0x28, 0x45}, 64) == 0);     // a constant stays inside
}

}  // namespace
}  // namespace vmmc::internal

#endif
