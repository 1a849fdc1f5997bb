// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The machine as the lab sees it: what it shows, and the little that it may do to it. Everything else a
// scene does through processes that use VMMC as any program does.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nicsim/fault_plan.h"
#include "nicsim/pace.h"
#include "nicsim/wire/trace_record.h"

namespace vmmc::lab {

// A page of a process's registered memory.
struct LookedAt {
  std::uint32_t node;
  std::uint32_t process;
  std::uint32_t segment;
  std::uint64_t page;
  bool operator==(const LookedAt&) const = default;
};

using PageBytes = std::array<std::byte, 4096>;

// A machine to be had, and the scene that shall begin in it.
struct WantedMachine {
  std::uint32_t rows;
  std::uint32_t columns;
  std::string clock;  // "real", or a model's name
  std::string scene;
};

class MachineView {
 public:
  struct Description {
    std::uint32_t rows;
    std::uint32_t columns;
    std::string clock;
    std::vector<std::string> models;  // that a clock may be
    std::string socket;               // where processes attach
    std::uint32_t nodes() const { return rows * columns; }
  };

  virtual ~MachineView() = default;

  virtual const Description& description() const = 0;
  virtual boost::json::object snapshot() = 0;

  // Of the trace: how many records there have been, and record number n if it is still there.
  virtual std::uint64_t records_written() const = 0;
  virtual const wire::TraceRecord* record(std::uint64_t n) const = 0;

  // Nothing if there is no such page (any more).
  virtual std::optional<PageBytes> read_page(const LookedAt& page) const = 0;

  virtual nicsim::Pace& pace() = 0;
  virtual bool add_fault(const nicsim::FaultPlan::Fault& fault) = 0;  // false: too many
  virtual void clear_faults() = 0;  // those that wait for their packet
  // Starts the trace if somebody has stopped it.
  virtual void keep_trace_on() = 0;

  // Starts nicsim anew with another machine, soon: what has been sent until now still goes out.
  virtual void restart(const WantedMachine& wanted) = 0;
};

}  // namespace vmmc::lab
