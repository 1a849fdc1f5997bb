// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/simulated/simulated_loop.h"

#include <time.h>

#include <algorithm>
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

// Who comes back from outside while others keep time going waits for so much work of nicsim's.
constexpr std::chrono::seconds kKeptOut{1};

// What the thread has worked: what others do meanwhile, and how busy the machine is, is not in it.
std::chrono::nanoseconds work_done() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

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
    wait(machine_.instruments().trace.save_seldom());
    context_.poll();
  }
}

// For a control message, a doorbell, or the pace; no longer than `until`.
void SimulatedLoop::wait(Pace::Clock::time_point until) {
  if (held_) until = std::min(until, machine_.instruments().pace.ask_again());
  if (until == Pace::Clock::time_point::max()) {
    context_.run_one();
  } else {
    context_.run_one_until(until);
  }
}

bool SimulatedLoop::may_step() {
  Pace& pace = machine_.instruments().pace;
  if (pace.is_full() || engine_.queue().empty()) return true;
  return pace.may_reach(engine_.queue().next());
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
  go_on();
  stop_counting();
}

void SimulatedLoop::go_on() {
  std::uint32_t events = 0;
  held_ = false;
  while (begun_ && !stopping_) {
    if (engine_.anybody_runs() || engine_.resume_somebody()) return;
    if (has_waited_enough() && engine_.let_somebody_come_back()) {
      kept_out_ = {};
      continue;
    }
    if (!may_step()) {
      held_ = true;
      return;
    }
    if (!engine_.step()) {
      if (engine_.let_somebody_come_back()) continue;
      return say_if_over();
    }
    if (machine_.unexports_waiting()) machine_.settle_unexports();
    if (++events % kEventsPerPoll == 0) {
      stop_counting();
      context_.poll();
    }
  }
}

// Those who come back do so when nothing else is to happen; but that may be never. Counts the work that
// is done before, from one look at a clock to the next: one before each event would cost as much as it.
bool SimulatedLoop::has_waited_enough() {
  if (!engine_.somebody_comes_back()) {
    kept_out_ = {};
    counts_since_.reset();
    return false;
  }
  if (!counts_since_) counts_since_ = work_done();
  return kept_out_ >= kKeptOut;
}

// Somebody runs, the pace holds, or something else is looked at.
void SimulatedLoop::stop_counting() {
  if (!counts_since_) return;
  kept_out_ += work_done() - *counts_since_;
  counts_since_.reset();
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
