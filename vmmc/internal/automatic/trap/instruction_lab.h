// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For tests: runs given machine code with given registers, flags and vector state, and shows what it
// leaves. x86-64.
#pragma once

#include <array>
#include <span>

#include "vmmc/internal/automatic/trap/store_decoder.h"

namespace vmmc::internal {

struct Machine {
  static constexpr std::size_t kVectorBytes = 2688;  // up to the end of the AVX-512 registers
  // Standard format of XSAVE.
  alignas(64) std::array<std::byte, 4096> vectors{};
  Registers registers;

  // Random registers; every kind of vector register that the processor has, with sound numbers in
  // those of the x87. Direction flag and stack pointer are left alone.
  template <typename Random>
  static Machine random(Random& random);

  // Whether registers, status flags and vector registers are the same.
  bool is_like(const Machine& other) const;
};

// Runs `code` as if it stood between two instructions of the caller. The code must end by running
// into its end. One thread at a time.
void run_in_lab(std::span<const std::uint8_t> code, Machine& machine);

// Where the code stands that runs.
std::uintptr_t lab_address();

// ---- all below is inline

void make_vectors_sound(Machine& machine);

template <typename Random>
Machine Machine::random(Random& random) {
  Machine machine;
  for (std::byte& byte : machine.vectors) byte = static_cast<std::byte>(random());
  make_vectors_sound(machine);
  for (std::uint64_t& general : machine.registers.general) general = random();
  machine.registers.flags = random() & kStatusFlags;
  return machine;
}

}  // namespace vmmc::internal
