// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/simulated/simulated_loop.h"

#include <chrono>
#include <string>
#include <utility>

#include "nicsim/log.h"

namespace vmmc::nicsim::simulated {
namespace {

// Events between two looks at control messages: signals, clients that die.
constexpr std::uint32_t kEventsPerPoll = 4096;

// A program that does not park for so long deserves a line in the log.
constexpr std::chrono::seconds kPatience{10};

// ns. An import that waits for so long waits for ever.
constexpr std::uint64_t kNoTimeout = std::uint64_t{1} << 52;

}  // namespace

SimulatedLoop::SimulatedLoop(boost::asio::io_context& context, Machine& machine,
                             const model::TimingModel& model, parts::MachineShape shape,
                             std::uint32_t expected_processes)
    : context_(context),
      patience_(context),
      machine_(machine),
      costs_(model.library),
      expected_(expected_processes),
      engine_(model, shape, machine) {
  watch_over();
}

void SimulatedLoop::run() {
  while (!stopping_) {
    advance();
    if (stopping_) return;
    context_.run_one();
    context_.poll();
  }
}

void SimulatedLoop::stop() {
  stopping_ = true;
  context_.stop();
}

void SimulatedLoop::attached(Process& process) {
  ++attached_;
  engine_.attached(process);
}

void SimulatedLoop::doorbell(Process& process) { engine_.rang(process); }

void SimulatedLoop::leaving(Process& process) {
  engine_.leaving(process);
  std::erase_if(awaited_, [&](const auto& each) { return each.first.first == &process; });
  std::erase_if(timed_out_, [&](const auto& each) { return each.second.first == &process; });
}

void SimulatedLoop::asked(Process& process, const Asked& asked) {
  if (asked.header.type == wire::MessageType::kExport) engine_.charge(process, costs_.export_ns);
  if (asked.header.type == wire::MessageType::kImport) engine_.charge(process, costs_.import_ns);
  if (!asked.waits) return;
  const Request request{&process, asked.header.request};
  const std::uint64_t token = next_token_++;
  if (!awaited_.emplace(request, token).second) return;  // a number that is taken: his own loss
  engine_.waits_for_answer(process, true);
  if (asked.timeout >= kNoTimeout) return;
  timed_out_[token] = request;
  engine_.queue().after<&SimulatedLoop::expire>(asked.timeout * parts::kPicosecondsPerNanosecond,
                                                *this, token);
}

void SimulatedLoop::answered(Process& process, std::uint32_t request) {
  const auto found = awaited_.find({&process, request});
  if (found == awaited_.end()) return;
  timed_out_.erase(found->second);
  awaited_.erase(found);
  engine_.waits_for_answer(process, false);
}

// An import that its exporter has not exported in time.
void SimulatedLoop::expire(std::uint64_t token) {
  const auto found = timed_out_.find(token);
  if (found == timed_out_.end()) return;
  const auto [process, request] = found->second;
  (void)machine_.cancel_import(*process, request);  // answers
}

void SimulatedLoop::advance() {
  begun_ = begun_ || attached_ >= expected_;
  std::uint32_t events = 0;
  while (begun_ && !stopping_) {
    if (engine_.anybody_runs() || engine_.resume_somebody()) return;
    if (!engine_.step()) return say_if_over();
    if (machine_.unexports_waiting()) machine_.settle_unexports();
    if (++events % kEventsPerPoll == 0) context_.poll();
  }
}

void SimulatedLoop::say_if_over() {
  if (!engine_.queue().is_over() || std::exchange(said_over_, true)) return;
  log(LogLevel::kWarning, "simulated time is over: what is to happen later never happens");
}

// Says once if a process keeps the others waiting for long.
void SimulatedLoop::watch_over() {
  patience_.expires_after(kPatience);
  patience_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopping_) return;
    const bool stands = engine_.now() == last_looked_at_ && engine_.anybody_runs();
    if (begun_ && stands && !complained_) {
      complained_ = true;
      log(LogLevel::kWarning,
          "simulated time stands still while a process does something else than VMMC: " +
              engine_.who_runs());
    }
    last_looked_at_ = engine_.now();
    watch_over();
  });
}

}  // namespace vmmc::nicsim::simulated
