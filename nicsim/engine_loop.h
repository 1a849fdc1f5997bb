// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The loop of nicsim's one thread: looks at the send queues, has transfers carried out, lets the
// control server work in between, and sleeps when there is nothing to do.
//
// A queue that has been quiet for a while is parked: its client is told to ring the doorbell, and
// the loop stops looking at it. When all are parked the thread sleeps in the kernel, so that an
// idle nicsim uses no CPU.
//
// Who has kept nicsim busy before a sleep is looked at again after it, whoever has rung: his next send
// need not ring. So a sleep costs one doorbell, and not one from each process.
//
// A queue whose next message has to notify a process that has no room is stalled: nobody looks at it
// until that process rings its doorbell, which it does when it has made room. Its own doorbell is heard,
// too: it may send datagrams meanwhile.
//
// Real-time channels that are nicsim's to carry out are looked at in each round, and between any two
// packets of ordinary transfers or batches of frames. Their senders ring as the others do, so their queues are parked only when
// the loop sleeps. The pace does not hold them.
//
// What the pace holds (see nicsim/pace.h) waits in the kernel, too, until the pace lets it go on; control
// messages are served meanwhile. Of several queues that it holds, each gets its turn.
//
// After each round of the queues the receive rings get their share. What they wait for ends a sleep, too.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <vector>

#include "nicsim/frames/frame_rings.h"
#include "nicsim/loop.h"
#include "nicsim/machine.h"
#include "nicsim/transfer_engine.h"
#include "platform/adaptive_wait.h"

namespace vmmc::nicsim {

// Threads: one. Everything of nicsim runs in run().
class EngineLoop final : public Loop {
 public:
  EngineLoop(boost::asio::io_context& context, Machine& machine)
      : context_(context),
        machine_(machine),
        engine_(machine.backplane(), machine.recorder(), &machine.instruments()) {
    engine_.let_first(machine.real_time().engine());
  }

  // Before run(): these are served, too. They outlive the loop's run.
  void serve(FrameRings& rings) {
    rings.let_first(machine_.real_time().engine());
    rings_ = &rings;
  }

  void run() override;
  void stop() override {
    stopping_ = true;
    context_.stop();
  }

  // A new process is parked. doorbell() also goes for the processes that are stalled on this one.
  void attached(Process& process) override;
  void doorbell(Process& process) override;
  void leaving(Process& process) override;

 private:
  struct ActiveQueue {
    Process* process;
    std::uint32_t quiet_rounds;
    bool has_worked;  // since nicsim last slept
  };

  void activate(Process& process);
  bool serve_queues();
  bool serve_rings();
  void poll_control_at_times();
  void give_turn_to(std::size_t queue);
  void park_quiet_queues();
  void reactivate_recent();
  void begin_wait();
  Pace::Clock::time_point say_pause();
  void wait_until(Pace::Clock::time_point until);
  void wait_for_pace();
  void sleep();

  boost::asio::io_context& context_;
  Machine& machine_;
  TransferEngine engine_;
  FrameRings* rings_ = nullptr;
  std::vector<ActiveQueue> active_;
  std::vector<Process*> recent_;   // parked by the sleep under way, and busy before it
  std::vector<Process*> stalled_;  // see Process::stalled_on; neither active nor parked
  platform::AdaptiveWait wait_;
  std::uint32_t visits_ = 0;  // to queues, since the last look for control messages
  bool held_ = false;         // by the pace, in the last round
  bool stopping_ = false;
};

}  // namespace vmmc::nicsim
