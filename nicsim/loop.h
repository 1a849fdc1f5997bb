// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What nicsim's one thread runs in: the engine loop in real time, another one in simulated time. The
// control server tells it of the processes.
#pragma once

#include <optional>

#include "nicsim/process.h"
#include "nicsim/wire/control.h"

namespace vmmc::nicsim {

// Threads: one. Everything of nicsim runs in run().
class Loop {
 public:
  virtual ~Loop() = default;

  // Runs until stop(), after which nothing that is ready in the context is carried out any more: a
  // client that was attached then would lose its nicsim at once.
  virtual void run() = 0;
  virtual void stop() = 0;

  virtual void attached(Process& process) = 0;
  virtual void doorbell(Process& process) = 0;
  virtual void leaving(Process& process) = 0;

  // A request whose cost or whose wait for an answer may matter: `waits` if a thread of the process does
  // nothing else until answered() is called with the same number, or until `timeout` ns have passed.
  struct Asked {
    wire::MessageHeader header;
    bool waits = false;
    std::uint64_t timeout = wire::kNoEnd;
  };
  virtual void asked(Process&, const Asked&) {}
  virtual void answered(Process&, std::uint32_t /*request*/) {}
};

}  // namespace vmmc::nicsim
