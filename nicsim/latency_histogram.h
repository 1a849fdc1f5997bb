// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How long operations take, by kind.
//
// In real time: from when nicsim takes the operation from its send queue until its bytes are in memory and
// the sender may see it completed. How long it stood in the queue before is not part of it, as the sender
// writes no time down. Reading a clock costs as much as a small transfer, so one in kSample operations of
// each process is measured; all of them while the trace is on. In simulated time: from the processor's first action until
// the bytes are in memory, of every operation.
//
// What the host executor moves does not pass here.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <array>
#include <cstdint>

#include "nicsim/wire/send_descriptor.h"
#include "platform/clock.h"
#include "platform/histogram.h"

namespace vmmc::nicsim {

class OperationLatencies {
 public:
  // A prime: of a program that sends the same few kinds in turn each one is measured as often.
  static constexpr std::uint32_t kSample = 61;
  static constexpr std::size_t kKinds =
      5;  // by wire::Operation, kDeliberateUpdate .. kAtomic; 0 unused

  // Whether this operation is one to measure; `ticket`: its number in its send queue.
  static bool is_due(std::uint64_t ticket) { return ticket % kSample == kSample - 1; }

  // Real time, monotonic.
  static std::uint64_t now_ns() { return platform::monotonic_ns(); }

  void add(wire::Operation kind, std::uint64_t ns) {
    histograms_[static_cast<std::size_t>(kind)].record(ns);
  }
  const platform::Histogram& of(wire::Operation kind) const {
    return histograms_[static_cast<std::size_t>(kind)];
  }

 private:
  std::array<platform::Histogram, kKinds> histograms_;
};

}  // namespace vmmc::nicsim
