// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The deliberate update engine: user programs hand it transfers with a few references (see
// initiation/); it reads their bytes from memory. While one is under way, queue_depth more may wait;
// then its registers are taken and an initiation is answered with `transferring`.
//
// The references of an initiation are never interleaved with those of another process of the node: a
// node has one processor, they follow each other there, and if it is given to another process in
// between, the kernel's inval takes the STORE back, so that the LOAD fails and both are made again.
// (initiation/safety_test.cc proves it for all orders. Other ways than SHRIMP's have other reasons,
// or are not safe; that makes no difference here.) Such a switch at just that moment is not
// simulated: each process is charged as if it had the processor for itself. So all references reach
// the engine at the time of the last one, and of two processes that make theirs at the same time one
// comes first, altogether.
//
// It carries requests of fetches and atomic operations, too; for these it reads nothing.
//
// Invariants: transfers are carried out in the order of their initiations; at most 1 + queue_depth
// have been accepted and not been read.
#pragma once

#include <cstdint>

#include "nicsim/model/parameters.h"
#include "nicsim/parts/initiation/initiation_state.h"
#include "nicsim/parts/source_reader.h"

namespace vmmc::nicsim::parts {

class DeliberateUpdateEngine {
 public:
  // `reader` is the engine's own; whoever owns both tells it of the transfers that have been read.
  DeliberateUpdateEngine(const model::DeliberateUpdateEngineParameters& parameters,
                         SourceReader& reader)
      : places_(1 + static_cast<std::size_t>(parameters.queue_depth)), reader_(reader) {}

  // All references of a process, with nobody else's between them. What the LOAD returns: if
  // it has not `initiated`, nothing has happened.
  InitiationStatus initiate(const SourceReader::Job& transfer);
  bool has_place() const { return registers_.phase != InitiationState::Phase::kTransferring; }
  // So many bytes of the first transfer have been read. Seen in the status only without a queue:
  // else the registers are those of the last one.
  void packet_read(std::uint32_t bytes);
  // The first transfer's last byte has been read.
  void transfer_read();

  struct Counters {
    std::uint64_t initiations = 0;  // accepted
    std::uint64_t turned_down = 0;  // because all places were taken
  };
  const Counters& counters() const { return counters_; }

 private:
  std::size_t places_;
  SourceReader& reader_;
  InitiationState registers_;
  Counters counters_;
};

}  // namespace vmmc::nicsim::parts
