// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The loop of nicsim's one thread in simulated time: while a process runs it sleeps; when all are parked it
// lets simulated time pass until one of them goes on.
//
// Simulated time begins when as many processes have attached as are expected. Who comes later begins at
// the time that it is then.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <map>
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

 private:
  using Request = std::pair<Process*, std::uint32_t>;

  void advance();
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
  Time last_looked_at_ = 0;
  std::map<Request, std::uint64_t> awaited_;    // that processes wait for, and the token of its end
  std::map<std::uint64_t, Request> timed_out_;  // what each token stands for
  std::uint64_t next_token_ = 0;
  SimulatedEngine engine_;
};

}  // namespace vmmc::nicsim::simulated
