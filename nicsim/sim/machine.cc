// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/machine.h"

#include <algorithm>
#include <cstring>

#include "nicsim/wire/version.h"

namespace vmmc::nicsim::sim {

using parts::Operation;

namespace {

constexpr std::uint64_t kNumberBits = 40;  // of a token; the rest is the process

SimulatedOperation& ours(Operation& operation) {
  return static_cast<SimulatedOperation&>(operation);
}

enum Noted : std::uint64_t { kInitiated = 1, kLanded, kFetched, kChanged, kDelivered, kNotified };

}  // namespace

SimulatedMachine::SimulatedMachine(const model::TimingModel& model, parts::MachineShape shape)
    : model_(model),
      shape_(shape),
      tables_(shape.nodes()),
      hardware_(queue_, model_, shape, tables_, *this),
      exports_of_page_(shape.nodes()) {}

SimulatedMachine::~SimulatedMachine() = default;

std::uint32_t SimulatedMachine::start(std::uint32_t node, std::string name,
                                      Process::Program program) {
  if (node >= shape_.nodes())
    throw ProgramError("there is no node " + std::to_string(node) + " for process " + name);
  const auto number = static_cast<std::uint32_t>(processes_.size());
  processes_.push_back(
      std::make_unique<Process>(*this, number, node, std::move(name), std::move(program)));
  queue_.after<&Process::start>(0, *processes_.back());
  return number;
}

void SimulatedMachine::run() {
  do {
    while (!failure_ && queue_.step()) {
    }
    if (failure_) std::rethrow_exception(failure_);
    throw_if_stuck();
  } while (flush_open_packets());
}

// Whether there were any.
bool SimulatedMachine::flush_open_packets() {
  bool any = false;
  for (std::uint32_t node = 0; node < shape_.nodes(); ++node) {
    if (!hardware_.has_open_packet(node)) continue;
    hardware_.flush(node);
    any = true;
  }
  return any;
}

// No event is left.
void SimulatedMachine::throw_if_stuck() const {
  if (queue_.is_over()) {
    throw TimeIsOver("simulated time is over: something was to happen after " +
                     std::to_string(parts::to_ns(parts::kLastTime) / 1e9) + " s");
  }
  std::string waiting;
  for (const auto& process : processes_) {
    if (process->ended_ && !process->handler_runs_) continue;
    waiting += "\n  process " + std::to_string(process->number()) + " (" + process->name() +
               ") on node " + std::to_string(process->node()) + " waits for " +
               process->what_it_waits_for();
  }
  for (std::uint32_t node = 0; node < shape_.nodes(); ++node) {
    if (!waiting.empty() && hardware_.has_open_packet(node))
      waiting += "\n  stores of node " + std::to_string(node) + " wait for a flush";
  }
  if (!waiting.empty())
    throw Deadlock("at " + std::to_string(clock()) + " ns nothing more happens, and" + waiting);
}

// ------------------------------------------------------------------------------- the hardware

void SimulatedMachine::initiated(Operation& operation) {
  note(kInitiated, ours(operation), 0);
  ours(operation).process->initiated(ours(operation));
}

void SimulatedMachine::read_source(Operation& operation, std::uint64_t offset,
                                   std::span<std::byte> bytes) {
  const SimulatedOperation& from = ours(operation);
  const std::byte* source = operation.kind == parts::OperationKind::kAutomaticUpdate
                                ? reinterpret_cast<const std::byte*>(&from.word)
                                : from.source;
  std::memcpy(bytes.data(), source + offset, bytes.size());
}

void SimulatedMachine::source_free(Operation& operation) {
  ours(operation).process->source_free(ours(operation));
}

std::byte* SimulatedMachine::memory_of(const Packet& packet) {
  return tables_.node(packet.node).incoming_pages.find(packet.incoming_page)->frame + packet.offset;
}

void SimulatedMachine::land(Operation& operation, const Packet& packet,
                            std::span<const std::byte> bytes) {
  note(kLanded, ours(operation), packet.offset);
  mix_bytes(bytes);
  std::byte* memory = memory_of(packet);
  std::memcpy(memory, bytes.data(), bytes.size());
  export_of(packet).owner->memory_changed(memory, bytes.size());
}

void SimulatedMachine::read_remote(Operation&, const Packet& packet, std::span<std::byte> bytes) {
  std::memcpy(bytes.data(), memory_of(packet), bytes.size());
}

void SimulatedMachine::land_local(Operation& operation, std::uint64_t offset,
                                  std::span<const std::byte> bytes) {
  note(kFetched, ours(operation), offset);
  mix_bytes(bytes);
  std::byte* memory = ours(operation).result + offset;
  std::memcpy(memory, bytes.data(), bytes.size());
  ours(operation).process->memory_changed(memory, bytes.size());
}

void SimulatedMachine::change_remote(Operation& operation, const Packet& packet) {
  note(kChanged, ours(operation), packet.offset);
  std::byte* memory = memory_of(packet);
  std::uint64_t before = 0;
  std::memcpy(&before, memory, operation.length);
  const std::uint64_t after = before + ours(operation).word;
  std::memcpy(memory, &after, operation.length);
  ours(operation).word = before;
  export_of(packet).owner->memory_changed(memory, operation.length);
}

std::uint64_t SimulatedMachine::notification_token(Operation& operation) {
  const SimulatedOperation& sent = ours(operation);
  const OutgoingPage& page = *operation.destinations->find(operation.destination / wire::kPageSize);
  const Export& exported = *exports_of_page_[page.node][page.incoming_page];
  const std::uint64_t offset =
      std::uint64_t{page.incoming_page - exported.first_incoming_page} * wire::kPageSize +
      operation.destination % wire::kPageSize;
  const std::uint64_t number = exported.owner->queue_notification(
      exported, {exported.id, offset, operation.length, sent.process->number()});
  return std::uint64_t{exported.owner->number()} << kNumberBits | number;
}

void SimulatedMachine::delivered(Operation& operation, bool accepted) {
  SimulatedOperation& sent = ours(operation);
  note(kDelivered, sent, accepted ? 1 : 0);
  sent.process->delivered(sent);
  operations_.give_back(sent);
}

void SimulatedMachine::notified(std::uint64_t token) {
  mix(kNotified);
  mix(queue_.now());
  processes_[token >> kNumberBits]->notified(token & ((std::uint64_t{1} << kNumberBits) - 1));
}

void SimulatedMachine::interrupted(std::uint32_t node, parts::Time cost) {
  for (const auto& process : processes_) {
    if (process->node() == node) process->interrupted(cost);
  }
}

// ------------------------------------------------------------------------------------ exports

void SimulatedMachine::exported(Export& record) {
  std::vector<Export*>& pages = exports_of_page_[record.owner->node()];
  if (pages.size() < record.first_incoming_page + record.pages)
    pages.resize(record.first_incoming_page + record.pages);
  for (std::uint32_t i = 0; i < record.pages; ++i) pages[record.first_incoming_page + i] = &record;
  for (const auto& process : processes_) process->export_appeared(record);
}

const Export* SimulatedMachine::find_export(std::uint32_t process, std::uint32_t id) const {
  const auto found = processes_[process]->exports_.find(id);
  return found == processes_[process]->exports_.end() || !found->second->announced
             ? nullptr
             : found->second.get();
}

// -------------------------------------------------------------------------------- fingerprint

void SimulatedMachine::mix(std::uint64_t value) {
  fingerprint_ = (fingerprint_ ^ value) * 0x9E3779B97F4A7C15ull;
  fingerprint_ ^= fingerprint_ >> 29;
}

void SimulatedMachine::mix_bytes(std::span<const std::byte> bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min<std::size_t>(8, bytes.size() - at));
    mix(word);
  }
}

void SimulatedMachine::note(std::uint64_t kind, const SimulatedOperation& operation,
                            std::uint64_t what) {
  mix(queue_.now());
  mix(kind << 56 | std::uint64_t{operation.process->number()} << 32 | what);
  mix(operation.destination);
}

}  // namespace vmmc::nicsim::sim
