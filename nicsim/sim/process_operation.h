// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// An operation of a simulated process, from its beginning until it is delivered, and the pool it comes
// from: a store costs no heap allocation once as many were under way before.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "nicsim/parts/hardware.h"

namespace vmmc::nicsim::sim {

class Process;

struct SimulatedOperation : parts::Operation {
  Process* process = nullptr;
  std::uint64_t number = 0;  // of the process's operations
  bool by_handler = false;   // else by the program itself
  bool is_initiated = false;
  bool source_is_free = false;
  const std::byte* source = nullptr;  // deliberate update
  std::byte* result = nullptr;        // fetch: where the bytes go
  std::uint64_t word = 0;  // automatic update: the word; atomic: the addend, then what was there
};

class OperationPool {
 public:
  SimulatedOperation& take() {
    if (free_ == nullptr) return operations_.emplace_back();
    SimulatedOperation& operation = *free_;
    free_ = static_cast<SimulatedOperation*>(operation.next);
    operation = SimulatedOperation{};
    return operation;
  }
  void give_back(SimulatedOperation& operation) {
    operation.next = free_;
    free_ = &operation;
  }

 private:
  std::deque<SimulatedOperation> operations_;
  SimulatedOperation* free_ = nullptr;
};

}  // namespace vmmc::nicsim::sim
