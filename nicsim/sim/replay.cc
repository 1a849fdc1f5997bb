// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/replay.h"

#include <algorithm>
#include <utility>

#include "nicsim/parts/counters.h"
#include "nicsim/sim/replayer.h"

namespace vmmc::nicsim::sim {
namespace {

constexpr parts::Time kLatestTime = parts::kNever / 4;

}  // namespace

// -------------------------------------------------------------------------------------- set-up

// The pages are never touched.
std::string Replayer::set_up_buffers() {
  static std::byte no_frame;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const ReplayBuffer& planned = plan_.buffers[i];
    const std::uint64_t pages = (planned.length + wire::kPageSize - 1) / wire::kPageSize;
    const std::vector<std::byte*> frames(pages, &no_frame);
    IncomingPageTable& table = tables_.node(plan_.processes[planned.owner].node).incoming_pages;
    const auto first = table.enable(frames, 0, planned.length, nullptr);
    if (!first) return "more was exported than an incoming page table holds";
    buffers_[i].first_page = *first;
    buffers_[i].pages = static_cast<std::uint32_t>(pages);
    table.allow_interrupts(*first, buffers_[i].pages, planned.notifies);
  }
  return {};
}

std::string Replayer::map_proxies(Actor& actor, const std::vector<std::uint64_t>& operations) {
  for (const std::uint64_t index : operations) {
    const ReplayOperation& planned = plan_.operations[index];
    if (planned.kind == parts::OperationKind::kFlush || actor.proxies.contains(planned.buffer)) {
      continue;
    }
    const Buffer& buffer = buffers_[planned.buffer];
    const std::uint32_t node = plan_.processes[plan_.buffers[planned.buffer].owner].node;
    OutgoingPageTable::Proxy proxy{.import_slot = static_cast<std::uint32_t>(actor.proxies.size()),
                                   .import_generation = 0,
                                   .access = wire::kAccessRead | wire::kAccessWrite,
                                   .node = node,
                                   .first_incoming_page = buffer.first_page,
                                   .incoming_generations = {},
                                   .page_offset = 0,
                                   .length = plan_.buffers[planned.buffer].length};
    const IncomingPageTable& table = tables_.node(node).incoming_pages;
    for (std::uint32_t i = 0; i < buffer.pages; ++i) {
      proxy.incoming_generations.push_back(table.generation(buffer.first_page + i));
    }
    const auto first = actor.destinations.map(proxy);
    if (!first) return "more was imported than a destination space holds";
    actor.proxies[planned.buffer] = std::uint64_t{*first} * wire::kPageSize;
  }
  return {};
}

std::string Replayer::set_up() {
  if (std::string problem = set_up_buffers(); !problem.empty()) return problem;
  for (const ReplayProcess& planned : plan_.processes) {
    Actor& actor = actors_.emplace_back();
    actor.planned = &planned;
    if (std::string problem = map_proxies(actor, planned.operations); !problem.empty()) {
      return problem;
    }
    for (const auto& steps : planned.flows) actor.flows.push_back({this, &actor, steps});
    for (const std::uint64_t index : planned.operations) {
      const ReplayOperation& from = plan_.operations[index];
      Replayed& operation = operations_[index];
      operation.kind = from.kind;
      operation.combining = from.combining;
      operation.notify = from.notify;
      operation.carries_bytes = false;
      operation.node = planned.node;
      operation.destinations = &actor.destinations;
      operation.actor = &actor;
      if (from.kind == parts::OperationKind::kFlush) continue;
      operation.destination = actor.proxies.at(from.buffer) + from.offset;
      operation.length = from.length;
    }
  }
  return {};
}

std::string Replayer::run() {
  if (std::string problem = set_up(); !problem.empty()) return problem;
  for (Actor& actor : actors_) {
    for (Flow& flow : actor.flows) queue_.after<&Flow::go_on>(0, flow);
  }
  while (queue_.now() < kLatestTime && queue_.step()) {
  }
  if (queue_.now() >= kLatestTime || queue_.is_over())
    return "it would take more simulated time than there is";
  for (const Actor& actor : actors_) {
    for (const Flow& flow : actor.flows) {
      if (flow.next == flow.steps.size()) continue;
      return "process " + std::to_string(&actor.planned[0] - plan_.processes.data()) +
             " waits for ever, after " + std::to_string(flow.next) + " steps";
    }
  }
  return {};
}

// -------------------------------------------------------------------------------------- result

ReplayResult Replayer::result() const {
  ReplayResult result;
  result.simulated_ns = parts::to_ns(queue_.now());
  result.refused = refused_;
  result.waits_without_transfer = plan_.waits_without_transfer;
  result.lost_marks = plan_.lost_marks;
  for (std::uint32_t node = 0; node < shape_.nodes(); ++node) {
    result.packets += hardware_.counters(node).format_and_send.packets;
  }
  for (const Actor& actor : actors_) {
    const ReplayProcess& planned = *actor.planned;
    ReplayedProcess process;
    process.node = planned.node;
    process.id = planned.id;
    process.recorded_ns = static_cast<double>(planned.left_at - planned.attached_at);
    process.simulated_ns = parts::to_ns(actor.ended);
    process.work_ns = parts::to_ns(actor.work);
    process.sending_ns = parts::to_ns(actor.sending);
    process.waiting_ns = parts::to_ns(actor.ended - actor.work - actor.sending);
    for (const std::uint64_t index : planned.operations) {
      if (plan_.operations[index].kind == parts::OperationKind::kFlush) continue;
      ++process.messages;
      process.bytes += plan_.operations[index].length;
    }
    result.messages += process.messages;
    result.bytes += process.bytes;
    result.processes.push_back(process);
  }
  return result;
}

std::variant<ReplayResult, std::string> replay(const recording::Recording& recording,
                                               const model::TimingModel& model) {
  const ReplayPlan plan = plan_replay(recording);
  Replayer replayer(plan, model, {recording.header.rows, recording.header.columns});
  if (std::string problem = replayer.run(); !problem.empty()) return problem;
  ReplayResult result = replayer.result();
  result.cut_off = recording.cut_off;
  if (!recording.records.empty()) {
    result.recorded_ns = static_cast<double>(recording.records.back().time);
  }
  return result;
}

}  // namespace vmmc::nicsim::sim
