// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/simulated/simulated_engine.h"

#include <algorithm>

#include "nicsim/transfer_checks.h"

namespace vmmc::nicsim::simulated {
namespace {

parts::Combining combining_of(const DescriptorCopy& descriptor) {
  const std::uint8_t flags = wire::header_flags(descriptor.header);
  if ((flags & wire::kCombineTimer) != 0) return parts::Combining::kTimerWrite;
  return (flags & wire::kCombineBlock) != 0 ? parts::Combining::kBlockWrite
                                            : parts::Combining::kSingleWrite;
}

parts::OperationKind kind_of(wire::Operation operation) {
  switch (operation) {
    case wire::Operation::kAutomaticUpdate:
      return parts::OperationKind::kAutomaticUpdate;
    case wire::Operation::kFetch:
      return parts::OperationKind::kFetch;
    case wire::Operation::kAtomic:
      return parts::OperationKind::kAtomic;
    case wire::Operation::kFlush:
      return parts::OperationKind::kFlush;
    case wire::Operation::kDeliberateUpdate:
    case wire::Operation::kMark:  // never gets here: nothing is recorded in simulated time
      break;
  }
  return parts::OperationKind::kDeliberateUpdate;
}

bool is_flush(const DescriptorCopy& descriptor) {
  return wire::header_operation(descriptor.header) ==
         static_cast<std::uint8_t>(wire::Operation::kFlush);
}

}  // namespace

SimulatedEngine::SimulatedEngine(const model::TimingModel& model, parts::MachineShape shape,
                                 Machine& machine)
    : machine_(machine),
      instruments_(machine.instruments()),
      look_(std::max(parts::from_ns(model.processor.poll_ns), parts::kPicosecondsPerNanosecond)),
      hardware_(queue_, model, shape, machine.backplane(), *this,
                {&instruments_.trace, this, &instruments_.faults}) {}

SimulatedEngine::~SimulatedEngine() = default;

// ------------------------------------------------------------------------ processes come and go

void SimulatedEngine::attached(Process& process) {
  auto made = std::make_unique<Participant>(*this, process);
  made->clock = now();
  // The thread that attaches runs.
  process.channel.shared().time_contexts[0].state.store(
      static_cast<std::uint32_t>(wire::ContextState::kRunning), std::memory_order_release);
  running_.push_back(made.get());
  by_identity_[{process.node, process.id}] = made.get();
  participants_[&process] = std::move(made);
}

// Operations that are under way go on without it.
void SimulatedEngine::leaving(Process& process) {
  const auto found = participants_.find(&process);
  if (found == participants_.end()) return;
  std::unique_ptr<Participant> leaver = std::move(found->second);
  participants_.erase(found);
  by_identity_.erase({process.node, process.id});
  std::erase(running_, leaver.get());
  std::erase(ready_, leaver.get());
  forget_notices_of(*leaver);
  leaver->process = nullptr;
  std::erase_if(leaver->under_way,
                [](const auto& operation) { return !operation->begun || operation->arrived; });
  // Nobody would close its open packet.
  if (!leaver->under_way.empty()) hardware_.flush(process.node);
  gone_.push_back(std::move(leaver));
}

void SimulatedEngine::rang(Process& process) {
  const auto found = participants_.find(&process);
  if (found == participants_.end()) return;
  Participant& participant = *found->second;
  const bool made_room = !participant.without_room.empty() && process.notifications.has_room();
  if (made_room || participant.threads.somebody_woken()) runs(participant);
}

void SimulatedEngine::runs(Participant& participant) {
  if (std::find(running_.begin(), running_.end(), &participant) == running_.end()) {
    running_.push_back(&participant);
  }
}

void SimulatedEngine::waits_for_answer(Process& process, bool waits) {
  Participant& participant = of(process);
  if (waits) {
    ++participant.answers_awaited;
    return;
  }
  if (participant.answers_awaited == 0) return;
  --participant.answers_awaited;
  participant.clock = std::max(participant.clock, now());
  participant.threads.went_on(participant.clock);
  runs(participant);
}

void SimulatedEngine::charge(Process& process, double cost_ns) {
  Participant& participant = of(process);
  participant.clock = std::max(participant.clock, now()) + parts::from_ns(cost_ns);
}

// ------------------------------------------------------------------------------ who runs

bool SimulatedEngine::anybody_runs() {
  if (running_.empty()) return false;
  for (Participant* const participant : running_) {
    if (participant->threads.look() > participant->answers_awaited) return true;
  }
  running_.clear();
  // All of them: what those asked for who were not believed to run is nothing.
  for (const auto& [identity, participant] : by_identity_) bring_in_waiting(*participant);
  for (const auto& [identity, participant] : by_identity_) {
    if (participant->process->awaited > 0) stall_no_more(*participant);
    issue_next(*participant);
  }
  return false;
}

std::string SimulatedEngine::who_runs() {
  std::string names;
  for (Participant* const participant : running_) {
    if (participant->threads.look() <= participant->answers_awaited) continue;
    const Process& process = *participant->process;
    names += (names.empty() ? "process (" : ", (") + std::to_string(process.node) + ", " +
             std::to_string(process.id) + ")";
  }
  return names;
}

bool SimulatedEngine::resume_somebody() {
  while (!ready_.empty()) {
    Participant& participant = *ready_.front();
    ready_.pop_front();
    participant.in_ready = false;
    if (!may_go_on(participant)) {
      consider(participant);  // an interrupt has come in between
      continue;
    }
    (void)participant.threads.resume_one(now());
    participant.clock = now();
    running_.push_back(&participant);
    return true;
  }
  return false;
}

bool SimulatedEngine::let_somebody_come_back() {
  for (const auto& [identity, participant] : by_identity_) {
    if (!participant->threads.let_come_back()) continue;
    consider(*participant);
    return true;
  }
  return false;
}

// Looked up only while there may be one: it is asked for before each event.
bool SimulatedEngine::somebody_comes_back() {
  if (!somebody_may_come_back_) return false;
  somebody_may_come_back_ = std::ranges::any_of(
      by_identity_, [](const auto& each) { return each.second->threads.somebody_comes_back(); });
  return somebody_may_come_back_;
}

bool SimulatedEngine::may_go_on(const Participant& participant) const {
  return participant.process != nullptr && !participant.issuing && participant.clock <= now() &&
         participant.threads.ready(now());
}

bool SimulatedEngine::step() {
  if (queue_.step()) return true;
  // No event names them any more; an open packet may still name an operation.
  std::erase_if(gone_, [](const auto& leaver) { return leaver->under_way.empty(); });
  return false;
}

void SimulatedEngine::consider(Participant& participant) {
  if (participant.process == nullptr || participant.in_ready || participant.issuing) return;
  if (may_go_on(participant)) {
    participant.in_ready = true;
    ready_.push_back(&participant);
  } else if (participant.clock > now() && participant.threads.ready(participant.clock)) {
    look_at(participant, participant.clock);
  }
}

// One event for each time, however often it is asked for.
void SimulatedEngine::look_at(Participant& participant, Time time) {
  if (participant.next_look <= time) return;
  participant.next_look = time;
  queue_.at<&Participant::look>(time, participant);
}

void SimulatedEngine::look_again(Participant& participant) {
  if (participant.next_look <= now()) participant.next_look = parts::kNever;
  if (participant.process == nullptr) return;
  consider(participant);
  const Time due = participant.threads.next_due();
  if (due != parts::kNever && due > now()) look_at(participant, due);
}

void SimulatedEngine::rouse(Participant& participant, std::uint32_t reasons) {
  participant.threads.happened(reasons);
  consider(participant);
}

// The processor of the node does nothing else for so long. A store that waits for the interface has that
// in its wait; what is lost while another operation is begun, who computes loses with the operation.
void SimulatedEngine::interrupted(std::uint32_t node, Time cost) {
  for (const auto& [identity, participant] : by_identity_) {
    if (identity.first != node) continue;
    if (participant->issuing) {
      const Issued& current = *participant->under_way.back();
      if (current.kind != parts::OperationKind::kAutomaticUpdate) participant->lost += cost;
      continue;
    }
    participant->clock = std::max(participant->clock, now()) + cost;
    participant->threads.delay(cost);
  }
}

// ---------------------------------------------------------------------------- operations begin

// The next operation of a process that does not run.
void SimulatedEngine::issue_next(Participant& participant) {
  if (participant.process == nullptr || participant.issuing) return;
  participant.clock = std::max(participant.clock, now()) + std::exchange(participant.lost, 0);
  if (participant.stalled > 0 || !take(participant)) return settle(participant);
  participant.issuing = true;
  queue_.at<&Participant::begin>(participant.clock, participant);
}

bool SimulatedEngine::take(Participant& participant) {
  auto next = std::make_unique<Issued>();
  if (!participant.process->channel.take(participant.next_ticket, next->transfer.descriptor)) {
    return false;
  }
  next->by = &participant;
  next->ticket = participant.next_ticket++;
  participant.under_way.push_back(std::move(next));
  return true;
}

void SimulatedEngine::begin_last(Participant& participant) {
  if (participant.process == nullptr) return;
  Issued& operation = *participant.under_way.back();
  const wire::Status status = prepare(*participant.process, operation);
  operation.began = now();
  if (instruments_.trace.on()) note_taken(operation);
  if (status == wire::Status::kOk) {
    operation.begun = true;
    // Whoever asks for an answer waits for it, and gets it after what was asked for before: for stores, too,
    // whose packet nothing else would close.
    const bool answers = operation.kind == parts::OperationKind::kFetch ||
                         operation.kind == parts::OperationKind::kAtomic;
    if (answers && participant.under_way.size() > 1) hardware_.flush(operation.node);
    hardware_.begin(operation);
    return;
  }
  participant.issuing = false;
  finish(operation, status);
  issue_next(participant);
}

wire::Status SimulatedEngine::prepare(const Process& process, Issued& operation) {
  operation.node = process.node;
  operation.destinations = &process.outgoing_pages;
  if (is_flush(operation.transfer.descriptor)) {
    operation.kind = parts::OperationKind::kFlush;
    operation.transfer.operation = wire::Operation::kFlush;
    return wire::Status::kOk;
  }
  if (!decode(operation.transfer)) return wire::Status::kMalformed;
  const Transfer& transfer = operation.transfer;
  operation.kind = kind_of(transfer.operation);
  operation.combining = combining_of(transfer.descriptor);
  operation.notify = transfer.notify;
  operation.destination = transfer.descriptor.destination;
  operation.length = transfer.length;
  return check_transfer(process, transfer);
}

// From an event of its own: the hardware may say so in the middle of begin().
void SimulatedEngine::initiated(parts::Operation& operation) {
  Participant& participant = *issued(operation).by;
  participant.issuing = false;
  participant.clock = now();
  queue_.after<&Participant::issue>(0, participant);
}

// Everything that the process has asked for has begun: its waits count from here on.
void SimulatedEngine::settle(Participant& participant) {
  const Time due = participant.threads.settle(participant.clock);
  if (due != parts::kNever && due > now()) look_at(participant, std::max(due, participant.clock));
  if (participant.threads.somebody_comes_back()) somebody_may_come_back_ = true;
  if (participant.process->awaited > 0 && participant.under_way.empty()) {
    machine_.found_empty(*participant.process);
  }
  consider(participant);
}

}  // namespace vmmc::nicsim::simulated
