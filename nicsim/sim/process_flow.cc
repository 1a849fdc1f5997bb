// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who has a process's processor, and when: the program, a handler, or an interrupt.

#include <algorithm>
#include <cassert>

#include "nicsim/sim/machine.h"
#include "nicsim/sim/process.h"

namespace vmmc::nicsim::sim {

using parts::Time;

struct Process::Root {
  struct promise_type {
    Root get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }  // the bodies below catch everything
  };
  std::coroutine_handle<> coroutine;
};

Process::Process(SimulatedMachine& machine, std::uint32_t number, std::uint32_t node,
                 std::string name, Program program)
    : machine_(machine),
      number_(number),
      node_(node),
      name_(std::move(name)),
      program_(std::move(program)),
      outgoing_pages_(kDestinationSpacePages) {}

Process::~Process() {
  if (handler_root_) handler_root_.destroy();
  if (program_root_) program_root_.destroy();
}

Process::Root Process::run_program() {
  try {
    co_await program_(*this);
  } catch (...) {
    machine_.failure_ = std::current_exception();
  }
  program_flow_.awaits = Awaits::kNothing;
  ended_ = true;
}

Process::Root Process::run_handler(const Handler& handler, Notification notification) {
  try {
    co_await handler(*this, notification);
  } catch (...) {
    machine_.failure_ = std::current_exception();
  }
  handler_flow_.awaits = Awaits::kNothing;
  machine_.queue_.after<&Process::handler_ended>(0, *this);  // not from inside its coroutine
}

void Process::start(std::uint64_t) {
  program_root_ = run_program().coroutine;
  program_root_.resume();
}

// ------------------------------------------------------------------------------------ waking

void Process::wake_later(Flow& flow, Time delay) {
  machine_.queue_.after<&Process::wake>(delay, *this, &flow == &handler_flow_ ? 1 : 0);
}

void Process::wake(std::uint64_t of_handler) {
  Flow& flow = of_handler != 0 ? handler_flow_ : program_flow_;
  const Time now = machine_.queue_.now();
  if (handler_runs_ && of_handler == 0) {
    flow.due = true;
    flow.due_at = now;
    return;
  }
  const Time lost = parts::sum(std::exchange(stolen_, 0),
                               processor_free_at_ > now ? processor_free_at_ - now : 0);
  if (lost > 0) return wake_later(flow, lost);
  proceed(flow);
}

void Process::proceed(Flow& flow) {
  if (flow.remaining > 0) return begin_store(flow);
  flow.awaits = Awaits::kNothing;
  flow.continuation.resume();
}

void Process::begin(SimulatedOperation& operation) {
  if (initiating_ != nullptr) return begun_meanwhile_.push_back(&operation);
  initiating_ = &operation;
  machine_.hardware_.begin(operation);
}

void Process::initiated(SimulatedOperation& operation) {
  assert(&operation == initiating_);  // one at a time, as the hardware wants them
  initiating_ = nullptr;
  operation.is_initiated = true;
  Flow& flow = operation.by_handler ? handler_flow_ : program_flow_;
  const bool awaited = flow.operation == operation.number &&
                       (flow.awaits == Awaits::kInitiated ||
                        (flow.awaits == Awaits::kSource && operation.source_is_free));
  if (!begun_meanwhile_.empty()) {
    SimulatedOperation* next = begun_meanwhile_.front();
    begun_meanwhile_.pop_front();
    begin(*next);
  }
  if (awaited) wake(operation.by_handler ? 1 : 0);
}

void Process::source_free(SimulatedOperation& operation) {
  operation.source_is_free = true;
  std::erase(started_, operation.number);
  for (Flow* flow : {&program_flow_, &handler_flow_}) {
    if (flow->awaits == Awaits::kSource && flow->operation == operation.number &&
        operation.is_initiated)
      wake_later(*flow, 0);
  }
}

void Process::delivered(SimulatedOperation& operation) {
  --under_way_;
  for (Flow* flow : {&program_flow_, &handler_flow_}) {
    const bool answer = flow->awaits == Awaits::kAnswer && flow->operation == operation.number;
    if (answer) flow->result = operation.word;
    if (answer || (flow->awaits == Awaits::kDelivery && under_way_ == 0)) {
      flow->awaits = Awaits::kWork;  // the processor is about to see it
      wake_later(*flow, 0);
    }
  }
}

void Process::memory_changed(const std::byte* first, std::uint64_t length) {
  for (Flow* flow : {&program_flow_, &handler_flow_}) {
    if (flow->awaits != Awaits::kWord || flow->seen || flow->word + flow->width <= first ||
        first + length <= flow->word)
      continue;
    look(*flow);
  }
}

void Process::look(Flow& flow) {
  if (flow.awaits != Awaits::kWord || flow.seen || !holds(flow)) return;
  flow.seen = true;
  wake_later(flow, 0);  // the hardware has counted processor.poll_ns
}

// -------------------------------------------------------------------- interrupts and handlers

void Process::interrupted(Time cost) {
  if (ended_ && !handler_runs_) return;
  const Awaits awaits = running().awaits;
  if (awaits == Awaits::kWork || awaits == Awaits::kInitiated) {
    stolen_ = parts::sum(stolen_, cost);
  } else {
    processor_free_at_ = parts::sum(std::max(processor_free_at_, machine_.queue_.now()), cost);
  }
}

std::uint64_t Process::queue_notification(const Export& exported, Notification notification) {
  announced_.emplace(++last_announced_, Queued{&exported, notification});
  return last_announced_;
}

void Process::notified(std::uint64_t number) {
  const auto found = announced_.find(number);
  notifications_.push_back(found->second);
  announced_.erase(found);
  start_handler();
}

void Process::unblock_notifications() {
  if (blocked_ == 0) return;
  if (--blocked_ == 0) machine_.queue_.after<&Process::start_handlers_later>(0, *this);
}

void Process::start_handler() {
  if (handler_runs_ || blocked_ > 0 || notifications_.empty()) return;
  const Queued next = notifications_.front();
  notifications_.pop_front();
  handler_runs_ = true;
  handler_since_ = machine_.queue_.now();
  handler_root_ = run_handler(next.exported->handler, next.notification).coroutine;
  handler_root_.resume();
}

void Process::handler_ended(std::uint64_t) {
  std::exchange(handler_root_, nullptr).destroy();
  handler_runs_ = false;
  const Time lasted = machine_.queue_.now() - handler_since_;
  if (program_flow_.due) {
    program_flow_.due = false;
    const bool worked = program_flow_.awaits == Awaits::kWork;
    wake_later(program_flow_, worked ? program_flow_.due_at - handler_since_ : 0);
  } else if (program_flow_.awaits == Awaits::kWork) {
    stolen_ = parts::sum(stolen_, lasted);
  }
  look(program_flow_);
  start_handler();
}

// -------------------------------------------------------------------------------- a deadlock

std::string Process::what_it_waits_for() const {
  const Flow& flow = handler_runs_ ? handler_flow_ : program_flow_;
  switch (flow.awaits) {
    case Awaits::kWord: {
      static constexpr const char* kSigns[] = {"= ", "!= ", ">= "};
      std::uint64_t found = 0;
      std::memcpy(&found, flow.word, flow.width);
      std::string place = "a word of its memory";
      for (const auto& [id, record] : exports_) {
        if (flow.word >= record->buffer.data() &&
            flow.word < record->buffer + record->buffer.size()) {
          place = "the word at byte " + std::to_string(flow.word - record->buffer.data()) +
                  " of its buffer " + std::to_string(id);
        }
      }
      return place + " to be " + kSigns[static_cast<int>(flow.comparison)] +
             std::to_string(flow.value) + " (it is " + std::to_string(found) + ")";
    }
    case Awaits::kExport:
      return "process " + std::to_string(flow.exporter) + " to export buffer " +
             std::to_string(flow.buffer_id);
    case Awaits::kInitiated:
      return "the interface to take an operation";
    case Awaits::kSource:
      return "the source of a send";
    case Awaits::kAnswer:
      return "the answer to a fetch or an atomic operation";
    case Awaits::kDelivery:
      return "the delivery of " + std::to_string(under_way_) + " operations";
    case Awaits::kWork:
    case Awaits::kNothing:
      break;
  }
  return "what is not an event of the machine";
}

}  // namespace vmmc::nicsim::sim
