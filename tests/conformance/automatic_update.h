// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What tests of automatic update need besides: bindings, and stores that the compiler leaves alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/conformance/conformance.h"

namespace vmmc::testing {

inline constexpr std::size_t kPage = 4096;
inline constexpr std::uint64_t kLongTimer = 3600 * kSecond;  // never within a test
inline constexpr int kCaptures[] = {VMMC_CAPTURE_TRAP, VMMC_CAPTURE_TYPED};
inline constexpr int kCombinings[] = {VMMC_COMBINE_TIMER, VMMC_COMBINE_BLOCK, VMMC_COMBINE_SINGLE,
                                      VMMC_COMBINE_OFF};

inline vmmc_bind_options bind_options(int capture, int combining) {
  vmmc_bind_options options = VMMC_BIND_DEFAULTS;
  options.capture = capture;
  options.combining = combining;
  return options;
}

inline vmmc_binding* bind(void* local, void* proxy, std::size_t length,
                          const vmmc_bind_options& options) {
  vmmc_binding* binding = nullptr;
  EXPECT(vmmc_bind(local, proxy, length, &options, &binding) == VMMC_OK);
  EXPECT(binding != nullptr);
  return binding;
}

// A word at a byte offset. One assignment is one store.
template <typename Word = std::uint32_t>
volatile Word& word_at(unsigned char* memory, std::size_t offset) {
  return *reinterpret_cast<Word*>(memory + offset);
}

// A typed store, or a plain one that the capture sees.
inline void store(vmmc_binding* binding, int capture, unsigned char* address, std::uint32_t value) {
  if (capture == VMMC_CAPTURE_TRAP) {
    word_at(address, 0) = value;
  } else {
    EXPECT(vmmc_au_store32(binding, reinterpret_cast<std::uint32_t*>(address), value) == VMMC_OK);
  }
}

// Packets of bound pages that nicsim has carried out for this process.
inline std::uint64_t automatic_updates() {
  vmmc_counters counters{};
  EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
  return counters.automatic_updates;
}

}  // namespace vmmc::testing
