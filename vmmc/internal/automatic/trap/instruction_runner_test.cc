// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/trap/instruction_runner.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <vector>

#include "vmmc/internal/automatic/trap/instruction_lab.h"

#if defined(__x86_64__)

namespace vmmc::internal {
namespace {

using Code = std::vector<std::uint8_t>;

void run(const Code& code, void* operand, Machine& machine) {
  REQUIRE(has_vector_state());
  REQUIRE(!prepare_runner());
  const StoreInstruction store = decode_store(code.data(), code.size());
  REQUIRE(store.form == StoreInstruction::Form::kMovable);
  const VectorState vectors{machine.vectors.data(), VectorState::kAll};
  run_instruction(store, reinterpret_cast<std::uintptr_t>(operand), machine.registers, vectors);
}

Machine some_machine() {
  std::uint8_t next = 0;
  auto count = [&] { return next += 41; };
  return Machine::random(count);
}

TEST_CASE("an instruction works on the place that is given, with the registers that are given") {
  Machine machine = some_machine();
  machine.registers.general[kRcx] = 40;
  machine.registers.instruction = 1000;
  std::uint64_t word = 2;
  const Machine before = machine;
  run({0x48, 0x89, 0x48, 0x08}, &word, machine);  // mov [rax + 8], rcx
  CHECK(word == 40);
  CHECK(machine.is_like(before));
  CHECK(machine.registers.instruction == 1000);
  run({0xf0, 0x48, 0x0f, 0xc1, 0x08}, &word, machine);  // lock xadd [rax], rcx
  CHECK(word == 80);
  CHECK(machine.registers.general[kRcx] == 40);
}

TEST_CASE("flags go in and come out") {
  Machine machine = some_machine();
  std::uint8_t byte = 0xff;
  machine.registers.flags = 1 | kTrapFlag | kDirectionFlag;  // carry
  run({0x80, 0x10, 0x00}, &byte, machine);                   // adc byte [rax], 0
  CHECK(byte == 0);
  CHECK((machine.registers.flags & (kZeroFlag | 1)) == (kZeroFlag | 1));
  // Those that no store changes are kept out of the handler, and stay.
  CHECK((machine.registers.flags & kTrapFlag) != 0);
  CHECK((machine.registers.flags & kDirectionFlag) != 0);
}

TEST_CASE("vector registers go in, and those that change come out") {
  Machine machine = some_machine();
  std::array<std::byte, 16> bytes{};
  run({0x0f, 0x11, 0x28}, bytes.data(), machine);  // movups [rax], xmm5
  CHECK(std::memcmp(bytes.data(), &machine.vectors[160 + 16 * 5], 16) == 0);
  const std::byte top_before = machine.vectors[3];
  run({0xdd, 0x18}, bytes.data(), machine);  // fstp qword [rax]
  CHECK(machine.vectors[3] != top_before);   // the status word says where the stack begins
}

TEST_CASE("more instructions than have room at a time") {
  Machine machine = some_machine();
  for (int round = 0; round < 3; ++round) {
    for (int value = 0; value < 200; ++value) {
      std::uint32_t word = 0;
      run({0xc7, 0x00, static_cast<std::uint8_t>(value), 1, 0, 0}, &word, machine);
      REQUIRE(word == 256U + static_cast<unsigned>(value));
    }
  }
}

}  // namespace
}  // namespace vmmc::internal

#endif
