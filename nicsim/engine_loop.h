// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The loop of nicsim's one thread: looks at the send queues, has transfers carried out, lets the
// control server work in between, and sleeps when there is nothing to do.
//
// A queue that has been quiet for a while is parked: its client is told to ring the doorbell, and
// the loop stops looking at it. When all are parked the thread sleeps in the kernel, so that an
// idle nicsim uses no CPU.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <vector>

#include "nicsim/deliberate_update_engine.h"
#include "nicsim/machine.h"
#include "platform/adaptive_wait.h"

namespace vmmc::nicsim {

// Threads: one. Everything of nicsim runs in run().
class EngineLoop {
 public:
  EngineLoop(boost::asio::io_context& context, Machine& machine)
      : context_(context), machine_(machine), engine_(machine.backplane()) {}

  // Runs until stop().
  void run();
  void stop() { stopping_ = true; }

  // To be called by the control server. A new process is parked.
  void attached(Process& process);
  void doorbell(Process& process);
  void leaving(Process& process);

 private:
  struct ActiveQueue {
    Process* process;
    std::uint32_t quiet_rounds;
  };

  bool serve_queues();
  void poll_control();
  void sleep();

  boost::asio::io_context& context_;
  Machine& machine_;
  DeliberateUpdateEngine engine_;
  std::vector<ActiveQueue> active_;
  platform::AdaptiveWait wait_;
  std::uint32_t rounds_ = 0;
  bool stopping_ = false;
};

}  // namespace vmmc::nicsim
