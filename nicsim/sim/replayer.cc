// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/replayer.h"

#include <algorithm>
#include <utility>

namespace vmmc::nicsim::sim {

using parts::Operation;
using parts::Time;
using Kind = ReplayStep::Kind;

// --------------------------------------------------------------------------------------- steps

void Replayer::proceed(Flow& flow) {
  while (flow.next < flow.steps.size()) {
    if (!take_step(flow, flow.steps[flow.next])) return;
    ++flow.next;
  }
  flow.actor->ended = std::max(flow.actor->ended, queue_.now());
}

// True: it is over. False: the flow is called again when it is, or when it may go on.
bool Replayer::take_step(Flow& flow, const ReplayStep& step) {
  switch (step.kind) {
    case Kind::kWork:
      if (take_processor(flow)) {
        work_for(flow, parts::from_ns(static_cast<double>(step.argument) *
                                      model_.processor.compute_scale));
      }
      return false;
    case Kind::kExport:
      if (take_processor(flow)) work_for(flow, parts::from_ns(model_.library.export_ns));
      return false;
    case Kind::kImport:
      if (!has_happened(flow, step)) return false;
      if (take_processor(flow)) work_for(flow, parts::from_ns(model_.library.import_ns));
      return false;
    case Kind::kSleep:
      ++flow.next;
      queue_.after<&Flow::go_on>(parts::from_ns(static_cast<double>(step.argument)), flow);
      return false;
    case Kind::kBegin:
      if (take_processor(flow)) begin(flow, step.argument);
      return false;
    default:
      return has_happened(flow, step);
  }
}

// What the step waits for. If not yet, the flow is called again when it may have.
bool Replayer::has_happened(Flow& flow, const ReplayStep& step) {
  Actor& actor = *flow.actor;
  switch (step.kind) {
    case Kind::kImport: {
      Buffer& buffer = buffers_[step.argument];
      if (!buffer.exported) buffer.waiting.push_back(&flow);
      return buffer.exported;
    }
    case Kind::kAwaitDelivery:
    case Kind::kAwaitNotice: {
      Replayed& operation = operations_[step.argument];
      const bool happened =
          step.kind == Kind::kAwaitNotice ? operation.is_noticed : operation.is_delivered;
      if (!happened) operation.waiting.push_back(&flow);
      return happened;
    }
    default: {
      const bool sources = step.kind == Kind::kAwaitSources;
      if ((sources ? actor.sources_free : actor.delivered) >= step.argument) return true;
      actor.waits.push_back({&flow, sources, step.argument});
      return false;
    }
  }
}

// False: it is called again when it has it.
bool Replayer::take_processor(Flow& flow) {
  Actor& actor = *flow.actor;
  if (actor.on_processor == &flow) return true;
  if (actor.on_processor != nullptr) {
    actor.want_processor.push_back(&flow);
    return false;
  }
  actor.on_processor = &flow;
  flow.since = queue_.now();
  return true;
}

void Replayer::leave_processor(Flow& flow) {
  Actor& actor = *flow.actor;
  actor.on_processor = nullptr;
  if (actor.want_processor.empty()) return;
  actor.on_processor = actor.want_processor.front();
  actor.want_processor.pop_front();
  actor.on_processor->since = queue_.now();
  queue_.after<&Flow::go_on>(0, *actor.on_processor);
}

void Replayer::work_for(Flow& flow, Time time) {
  flow.actor->stolen = 0;
  queue_.after<&Flow::work_ends>(time, flow, time);
}

void Replayer::work_ends(Flow& flow, std::uint64_t time) {
  Actor& actor = *flow.actor;
  if (const Time stolen = std::exchange(actor.stolen, 0); stolen > 0) {
    return queue_.after<&Flow::work_ends>(stolen, flow, time);
  }
  const ReplayStep& step = flow.steps[flow.next++];
  (step.kind == Kind::kWork ? actor.work : actor.sending) += time;
  if (step.kind == Kind::kExport) {
    buffers_[step.argument].exported = true;
    wake(buffers_[step.argument].waiting);
  }
  leave_processor(flow);
  proceed(flow);
}

void Replayer::begin(Flow& flow, std::uint64_t index) {
  Replayed& operation = operations_[index];
  operation.by = &flow;
  hardware_.begin(operation);
}

void Replayer::is_taken(Flow& flow) {
  flow.actor->sending += queue_.now() - flow.since;
  ++flow.next;
  leave_processor(flow);
  proceed(flow);
}

void Replayer::wake(std::vector<Flow*>& flows) {
  for (Flow* const flow : std::exchange(flows, {})) queue_.after<&Flow::go_on>(0, *flow);
}

void Replayer::look_at_waits(Actor& actor) {
  const std::vector<std::uint64_t>& own = actor.planned->operations;
  while (actor.delivered < own.size() && operations_[own[actor.delivered]].is_delivered) {
    ++actor.delivered;
  }
  while (actor.sources_free < own.size() && (operations_[own[actor.sources_free]].is_source_free ||
                                             operations_[own[actor.sources_free]].is_delivered)) {
    ++actor.sources_free;
  }
  std::erase_if(actor.waits, [&](const Actor::Waits& wait) {
    const bool over = (wait.sources ? actor.sources_free : actor.delivered) >= wait.operations;
    if (over) queue_.after<&Flow::go_on>(0, *wait.flow);
    return over;
  });
}

// ------------------------------------------------------------------------------------ hardware

// Not from inside of Hardware::begin().
void Replayer::initiated(Operation& operation) {
  queue_.after<&Flow::is_taken>(0, *static_cast<Replayed&>(operation).by);
}

void Replayer::source_free(Operation& operation) {
  auto& replayed = static_cast<Replayed&>(operation);
  replayed.is_source_free = true;
  look_at_waits(*replayed.actor);
}

void Replayer::delivered(Operation& operation, bool accepted) {
  auto& replayed = static_cast<Replayed&>(operation);
  if (!accepted) ++refused_;
  replayed.is_delivered = true;
  if (!accepted || !replayed.notify) replayed.is_noticed = true;
  wake(replayed.waiting);
  look_at_waits(*replayed.actor);
}

std::uint64_t Replayer::notification_token(Operation& operation) { return index_of(operation) + 1; }

void Replayer::notification_refused(Operation& operation) {
  operations_[index_of(operation)].is_noticed = true;
}

void Replayer::notified(std::uint64_t token) {
  Replayed& operation = operations_[token - 1];
  operation.is_noticed = true;
  wake(operation.waiting);
}

void Replayer::interrupted(std::uint32_t node, Time cost) {
  for (Actor& actor : actors_) {
    if (actor.planned->node == node && actor.on_processor != nullptr) actor.stolen += cost;
  }
}

}  // namespace vmmc::nicsim::sim
