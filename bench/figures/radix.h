// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Radix sort of keys of 32 bits on a machine in simulated time, one process on each node: kPasses passes of
// kDigitBits bits. In each pass every process counts the digits of its keys, tells the others, and then
// puts each key to its place, which may be in any process's memory:
//
//   automatic update   the array of all keys is bound; each key is one store to its place
//   deliberate update  keys whose places follow each other are sent together, mostly one alone; the
//                      processor goes on when the interface has read them from memory
//
// The keys are real and checked at the end: sorted, none lost.
#pragma once

#include <cstdint>

#include "bench/figures/measures.h"
#include "nicsim/sim/program.h"

namespace vmmc::figures {

struct RadixOptions {
  std::uint32_t nodes = 16;         // a power of two
  std::uint32_t keys = 16 * 16384;  // of all nodes
  Update update = Update::kAutomatic;
  nicsim::sim::Combining combining = nicsim::sim::Combining::kTimerWrite;
  double key_ns = 0;  // the processor's work for a key and a pass
};

inline constexpr std::uint32_t kDigitBits = 8;
inline constexpr std::uint32_t kPasses = 2;  // keys are below 2^16

// Simulated us, set-up not counted. Throws std::runtime_error if the keys are not sorted.
double radix_us(const TimingModel& model, const RadixOptions& options);

// Of `options.nodes` over one node.
double radix_speedup(const TimingModel& model, const RadixOptions& options);

}  // namespace vmmc::figures
