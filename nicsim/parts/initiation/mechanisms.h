// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The ways in which a program may have a transfer initiated, and what one initiation consists of.
// How each works, and why it is safe or not, is in the header of its state machine.
//
// Threads: any; the table is constant.
//
// `safe` takes for granted that what a process has passed half-way is taken back before its context
// or its pages are given to another, and, with a key, when a program gives up (two_processes.h).
//
// Invariants: the table is in the order of Mechanism; the numbers are those of the sequences that the
// state machines' programs make (mechanisms_test.cc).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vmmc::nicsim::parts::initiation {

enum class Mechanism : std::uint8_t {
  kKernel,
  kTwoReferences,
  kTwoReferencesWithoutInval,
  kKey,
  kExtendedShadow,
  kRepeated3,
  kRepeated4,
  kRepeated4Nested,
  kRepeated5,
};

struct MechanismInfo {
  Mechanism mechanism;
  std::string_view name;  // in a timing model
  std::uint32_t stores;   // references to the engine, for each transfer
  std::uint32_t loads;
  std::uint32_t barriers;      // memory barriers, for each transfer
  std::uint32_t system_calls;  // for each operation, however many transfers it takes
  bool safe;
  std::string_view why;  // it is safe, or not, in a few words

  constexpr std::uint32_t references() const { return stores + loads; }
};

// A barrier is needed where a STORE repeats an earlier one of the same initiation: the write buffer
// would make one of both.
inline constexpr std::array kMechanisms = {
    MechanismInfo{Mechanism::kKernel, "kernel", 1, 1, 0, 1, true,
                  "the kernel checks, and nobody comes between"},
    MechanismInfo{Mechanism::kTwoReferences, "two-references", 1, 1, 0, 0, true,
                  "the kernel's inval at each context switch"},
    MechanismInfo{Mechanism::kTwoReferencesWithoutInval, "two-references-without-inval", 1, 1, 0, 0,
                  false, "another's LOAD completes a STORE"},
    MechanismInfo{Mechanism::kKey, "key", 3, 1, 0, 0, true,
                  "own context and secret key; broken by a guessed key"},
    MechanismInfo{Mechanism::kExtendedShadow, "extended-shadow", 1, 1, 0, 0, true,
                  "the address says whose it is; few contexts"},
    MechanismInfo{Mechanism::kRepeated3, "repeated-3", 1, 2, 0, 0, false,
                  "another's LOADs enclose the STORE"},
    MechanismInfo{Mechanism::kRepeated4, "repeated-4", 2, 2, 1, 0, false,
                  "a reader of the source takes the answer"},
    MechanismInfo{Mechanism::kRepeated4Nested, "repeated-4-nested", 2, 2, 1, 0, false,
                  "another's LOADs enclose both STOREs"},
    MechanismInfo{Mechanism::kRepeated5, "repeated-5", 2, 3, 1, 0, true,
                  "1, 3, 5 name the destination, which no other may even read"},
};

inline constexpr auto kMechanismNames = [] {
  std::array<std::string_view, kMechanisms.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kMechanisms[i].name;
  return names;
}();

constexpr const MechanismInfo& info_of(Mechanism mechanism) {
  return kMechanisms[static_cast<std::size_t>(mechanism)];
}

// As a timing model holds it: deliberate_update_engine.initiation.
constexpr double as_parameter(Mechanism mechanism) { return static_cast<double>(mechanism); }
constexpr Mechanism from_parameter(double value) {
  return kMechanisms[static_cast<std::size_t>(value)].mechanism;
}

}  // namespace vmmc::nicsim::parts::initiation
