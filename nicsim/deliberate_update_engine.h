// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The deliberate update engine: takes descriptors from the send queues, checks them against the
// outgoing page table, has them packetized, lets the incoming DMA engine check every packet, and
// moves the bytes.
//
// Nothing that a descriptor says is used before it has been copied and checked. A long transfer is
// carried out in pieces, so that no process keeps the engine from the others.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <array>
#include <vector>

#include "nicsim/backplane.h"
#include "nicsim/process.h"
#include "nicsim/source_reader.h"
#include "nicsim/wire/status.h"

namespace vmmc::nicsim {

class DeliberateUpdateEngine {
 public:
  explicit DeliberateUpdateEngine(const Backplane& backplane) : backplane_(backplane) {}

  // Carries out what the process's queue holds, up to a fair share. Returns whether there was
  // anything.
  bool serve(Process& process);

 private:
  // Where a piece of a transfer goes.
  struct Landing {
    std::array<Run, kMaxRuns> runs;
    std::size_t count;
    std::uint64_t packets;
    ExportedBuffer* buffer;
  };
  // Bytes that have come to a process's memory.
  struct Arrival {
    Process* receiver;
    Run run;
    bool ends_transfer;
  };
  static bool is_watched(const Arrival& arrival);

  wire::Status begin(Process& process);
  wire::Status check_destination(const Process& process, const Transfer& transfer) const;
  bool find_landing(const Process& process, std::uint64_t piece, Landing& landing) const;
  wire::Status advance(Process& process);
  wire::Status refusal(const Process& process, const Transfer& transfer) const;
  void finish(Process& process, wire::Status status);
  void announce_fragment(const Process& process);
  void wake_sleepers(Process& sender, bool finished);

  const Backplane& backplane_;
  std::vector<Arrival> arrivals_;  // of the current share: who is waiting is woken at its end
};

}  // namespace vmmc::nicsim
