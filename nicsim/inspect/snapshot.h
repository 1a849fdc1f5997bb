// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A snapshot: the whole state of the machine at one moment, as a JSON document. vmmcstat, the OpenMetrics
// text and the lab's page are views of it. docs/format.md lists its members.
//
// It reads and changes nothing, but for the counters of what the host executor moved, which it brings up
// to date. Its size, and the time that it takes, grow with the number of processes, exports, imports and
// bindings, not with their pages: neighbouring page table entries are one run.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "nicsim/inspect/open_metrics.h"
#include "nicsim/instruments.h"
#include "nicsim/machine.h"

namespace vmmc::nicsim {

class FrameRings;

// Whose notification queue has no room for what comes next of this process; nullptr: nothing waits.
using StalledOn = std::function<const Process*(const Process&)>;

// Everything that there is to see.
struct Observed {
  Machine& machine;
  Instruments& instruments;
  std::string socket;
  std::uint32_t rows;
  std::uint32_t columns;
  std::string model = "none";
  std::function<std::uint64_t()> clock_ns;  // real: since 1970; or simulated time
  // Simulated time: the counters of a node's hardware; empty in real time.
  std::function<boost::json::object(std::uint32_t node)> hardware = nullptr;
  StalledOn stalled_on = [](const Process& process) { return process.stalled_on; };
  const FrameRings* rings = nullptr;  // nullptr: there are none
  std::function<std::size_t()> observers = [] { return std::size_t{0}; };  // that are connected
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
};

boost::json::object take_snapshot(const Observed& observed);

}  // namespace vmmc::nicsim
