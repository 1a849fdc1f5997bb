// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The loop of nicsim's one thread in simulated time: while a process runs it sleeps; when all are parked it
// lets simulated time pass until one of them goes on.
//
// Simulated time begins when as many processes have attached as are expected. Who comes later begins at
// the time that it is then. While the pace holds it (see nicsim/pace.h), it stands still, too.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "nicsim/loop.h"
#include "nicsim/machine.h"
#include "nicsim/simulated/simulated_engine.h"

namespace vmmc::nicsim::simulated {

class SimulatedLoop final : public Loop {
 public:
  // The machine must not lend memory to importers: Machine::use_simulated_time().
  SimulatedLoop(boost::asio::io_context& context, Machine& machine, const model::TimingModel& model,
                parts::MachineShape shape, std::uint32_t expected_processes);

  void run() override;
  void stop() override;
  void attached(Process& process) override;
  void doorbell(Process& process) override;
  void leaving(Process& process) override;
  void asked(Process& process, const Asked& asked) override;
  void answered(Process& process, std::uint32_t request) override;

  Time now() const { return engine_.now(); }
  const parts::Hardware& hardware() const { return engine_.hardware(); }
  const Process* stalled_on(const Process& process) const { return engine_.stalled_on(process); }

 private:
  using Request = std::pair<Process*, std::uint32_t>;

  void advance();
  void go_on();
  bool may_step();
  void wait(Pace::Clock::time_point until);
  bool has_waited_enough();
  void stop_counting();
  void expire(std::uint64_t token);
  void watch_over();
  void say_if_over();

  boost::asio::io_context& context_;
  boost::asio::steady_timer patience_;
  Machine& machine_;
  const model::LibraryParameters costs_;
  const std::uint32_t expected_;
  std::uint32_t attached_ = 0;  // until now, also those that have left
  bool begun_ = false;
  bool stopping_ = false;
  bool complained_ = false;
  bool said_over_ = false;
  bool held_ = false;  // by the pace
  Time last_looked_at_ = 0;
  // Processor time that this thread has worked while somebody came back from outside and others kept time
  // going: until now, and the time at which it has begun to be counted again.
  std::chrono::nanoseconds kept_out_{0};
  std::optional<std::chrono::nanoseconds> counts_since_;
  std::map<Request, std::uint64_t> awaited_;    // that processes wait for, and the token of its end
  std::map<std::uint64_t, Request> timed_out_;  // what each token stands for
  std::uint64_t next_token_ = 0;
  SimulatedEngine engine_;
};

}  // namespace vmmc::nicsim::simulated
