// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who is told of everything that nicsim takes, in its order, while it records: one call for each event.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <cstdint>

#include "nicsim/process.h"
#include "nicsim/transfer.h"

namespace vmmc::nicsim::recording {

class Recorder {
 public:
  virtual ~Recorder() = default;

  virtual void attached(const Process& process) = 0;
  virtual void left(const Process& process) = 0;
  virtual void exported(const ExportedBuffer& buffer) = 0;
  // It goes away, for whatever reason.
  virtual void unexported(const ExportedBuffer& buffer) = 0;
  virtual void imported(const Process& process, std::uint32_t slot,
                        const ExportedBuffer& buffer) = 0;
  virtual void unimported(const Process& process, std::uint32_t slot) = 0;
  // An operation that has been checked, about to be carried out.
  virtual void taken(const Process& process, const Transfer& transfer) = 0;
  virtual void marked(const Process& process, const wire::MarkOperands& mark) = 0;
  // Nothing is to be done for a while: what has been kept back may be written.
  virtual void pause() = 0;
};

}  // namespace vmmc::nicsim::recording
