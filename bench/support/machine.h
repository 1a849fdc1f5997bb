// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the reader of a result must know about the machine, and how restless it was. Times in
// nanoseconds.
#pragma once

#include <cstdint>
#include <string>

#include "platform/clock.h"

namespace vmmc::bench {

struct MachineFacts {
  std::string cpu_model;
  long cores;  // online; a container may let us use fewer
  bool virtual_machine;
  std::string kernel;
  std::string governor;  // "unknown" where the kernel does not say
  std::string date;      // UTC, ISO 8601
};
MachineFacts read_machine_facts();
// "AMD EPYC, 2 cores (virtual machine)".
std::string describe_machine(const MachineFacts& facts);

// Now on a clock that all processes of the host share and that never jumps.
inline std::uint64_t now() { return platform::monotonic_ns(); }

// What a thread sees that does nothing but read the clock: the longest gap is time that somebody
// else took.
struct ClockProbe {
  std::uint64_t read_cost;  // of now(), median
  std::uint64_t longest_gap;
  std::uint64_t gaps;  // of more than 10 microseconds
  std::uint64_t duration;
};
ClockProbe probe_clock(std::uint64_t duration);
// "longest stall 552 us, 86 of more than 10 us, in 0.2 s".
std::string describe_stalls(const ClockProbe& probe);

// Ticks of all cores since boot, for differences over a run. Stolen: the hypervisor gave the time
// to others.
struct CoreTime {
  std::uint64_t stolen;
  std::uint64_t total;
};
CoreTime read_core_time();

// Of the time of all cores in between, what the hypervisor took, in percent.
double stolen_percent(const CoreTime& begin, const CoreTime& end);

}  // namespace vmmc::bench
