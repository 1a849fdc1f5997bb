// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/process.h"

#include <algorithm>

#include "nicsim/sim/machine.h"
#include "nicsim/wire/control.h"
#include "nicsim/wire/version.h"

namespace vmmc::nicsim::sim {

using parts::from_ns;
using parts::OperationKind;
using wire::kPageSize;

namespace {

std::string bytes(std::uint64_t count) { return std::to_string(count) + " bytes"; }

}  // namespace

double Process::clock() const { return machine_.clock(); }

void Process::refuse(const std::string& sentence) const {
  throw ProgramError("process " + std::to_string(number_) + " (" + name_ + ") on node " +
                     std::to_string(node_) + ": " + sentence);
}

// --------------------------------------------------------------------- memory, export, import

Buffer Process::allocate(std::size_t length) {
  if (length == 0) refuse("allocates no bytes");
  const std::size_t size = (length + kPageSize - 1) / kPageSize * kPageSize;
  memory_.emplace_back(new (std::align_val_t{kPageSize}) std::byte[size]());
  return {memory_.back().get(), size};
}

void Process::start_export(Flow& flow, std::uint32_t id, Buffer buffer,
                           const ExportOptions& options) {
  const std::string what = "exports buffer " + std::to_string(id);
  if (buffer.size() == 0 || reinterpret_cast<std::uintptr_t>(buffer.data()) % kPageSize != 0)
    refuse(what + " that is not whole pages");
  for (const auto& [other_id, other] : exports_) {
    if (other_id == id) refuse(what + " twice");
    if (other->buffer.data() < buffer + buffer.size() &&
        buffer.data() < other->buffer + other->buffer.size())
      refuse(what + " that overlaps buffer " + std::to_string(other_id));
  }
  auto record = std::make_unique<Export>(Export{this, id, buffer, 0, 0, options.handler});
  std::vector<std::byte*> frames;
  for (std::size_t at = 0; at < buffer.size(); at += kPageSize) frames.push_back(buffer + at);
  IncomingPageTable& table = machine_.tables_.node(node_).incoming_pages;
  const auto first = table.enable(frames, 0, buffer.size(), nullptr);
  if (!first) refuse(what + ": the incoming page table is full");
  record->first_incoming_page = *first;
  record->pages = static_cast<std::uint32_t>(frames.size());
  table.allow_interrupts(*first, record->pages, static_cast<bool>(options.handler));
  exports_[id] = std::move(record);
  const parts::Time time = from_ns(machine_.model_.library.export_ns);
  machine_.queue_.after<&Process::announce_export>(time, *this, id);
  work(flow, std::max<parts::Time>(time, 1));
}

void Process::announce_export(std::uint64_t id) {
  Export& record = *exports_.at(static_cast<std::uint32_t>(id));
  record.announced = true;
  machine_.exported(record);
}

void Process::start_import(Flow& flow, std::uint32_t exporter, std::uint32_t id) {
  if (exporter >= machine_.processes_.size())
    refuse("imports from process " + std::to_string(exporter) + ", which does not exist");
  flow.awaits = Awaits::kExport;
  flow.exporter = exporter;
  flow.buffer_id = id;
  if (const Export* exported = machine_.find_export(exporter, id)) finish_import(flow, *exported);
}

void Process::export_appeared(const Export& record) {
  for (Flow* flow : {&program_flow_, &handler_flow_}) {
    if (flow->awaits == Awaits::kExport && flow->exporter == record.owner->number_ &&
        flow->buffer_id == record.id)
      finish_import(*flow, record);
  }
}

void Process::finish_import(Flow& flow, const Export& exported) {
  const IncomingPageTable& table = machine_.tables_.node(exported.owner->node_).incoming_pages;
  OutgoingPageTable::Proxy proxy{.import_slot = imports_++,
                                 .import_generation = 0,
                                 .access = wire::kAccessRead | wire::kAccessWrite,
                                 .node = exported.owner->node_,
                                 .first_incoming_page = exported.first_incoming_page,
                                 .incoming_generations = {},
                                 .page_offset = 0,
                                 .length = exported.buffer.size()};
  for (std::uint32_t i = 0; i < exported.pages; ++i)
    proxy.incoming_generations.push_back(table.generation(exported.first_incoming_page + i));
  const auto first = outgoing_pages_.map(proxy);
  if (!first) refuse("the destination space is full");
  flow.result = std::uint64_t{*first} * kPageSize;
  flow.awaits = Awaits::kWork;
  wake_later(flow, from_ns(machine_.model_.library.import_ns));
}

// -------------------------------------------------------------------------- deliberate update

void Process::check_destination(Proxy destination, std::uint64_t length, const char* what) const {
  if (length == 0) refuse(std::string(what) + " no bytes");
  const std::uint64_t last = destination.destination + length - 1;
  const OutgoingPage* first_page = outgoing_pages_.find(destination.destination / kPageSize);
  const OutgoingPage* last_page = outgoing_pages_.find(last / kPageSize);
  if (first_page == nullptr || last_page == nullptr ||
      first_page->import_slot != last_page->import_slot) {
    refuse(std::string(what) + " " + bytes(length) +
           " whose first and last one are not inside one imported buffer");
  }
}

SimulatedOperation& Process::new_operation(Flow& flow, OperationKind kind, Proxy destination,
                                           std::uint64_t length) {
  SimulatedOperation& operation = machine_.operations_.take();
  operation.kind = kind;
  operation.node = node_;
  operation.destinations = &outgoing_pages_;
  operation.destination = destination.destination;
  operation.length = length;
  operation.process = this;
  operation.number = ++last_operation_;
  operation.by_handler = &flow == &handler_flow_;
  flow.operation = operation.number;
  ++under_way_;
  return operation;
}

void Process::begin_send(Flow& flow, const void* source, Proxy destination, std::uint64_t length,
                         bool notify, Awaits awaits) {
  check_destination(destination, length, "sends");
  SimulatedOperation& operation =
      new_operation(flow, OperationKind::kDeliberateUpdate, destination, length);
  operation.source = static_cast<const std::byte*>(source);
  operation.notify = notify;
  if (awaits == Awaits::kInitiated) started_.push_back(operation.number);
  flow.result = operation.number;
  flow.awaits = awaits;
  begin(operation);
}

void Process::await_source(Flow& flow, SendHandle handle) {
  if (std::find(started_.begin(), started_.end(), handle.number) == started_.end()) return;
  flow.operation = handle.number;
  flow.awaits = Awaits::kSource;
}

void Process::begin_fence(Flow& flow) {
  if (stored_) begin_flush(flow);
  flow.awaits = under_way_ > 0 ? Awaits::kDelivery : Awaits::kNothing;
}

// --------------------------------------------------------------------------- automatic update

Binding Process::bind(Buffer local, Proxy proxy, std::uint64_t length, BindOptions options) {
  if (reinterpret_cast<std::uintptr_t>(local.data()) % kPageSize != 0 ||
      proxy.destination % kPageSize != 0 || length % kPageSize != 0)
    refuse("binds what is not whole pages");
  if (length > local.size()) refuse("binds more than its buffer holds");
  check_destination(proxy, length, "binds");
  return {local.data(), proxy, local + length, options};
}

void Process::begin_stores(Flow& flow, Binding at, const std::byte* from, std::uint64_t length,
                           std::uint32_t step) {
  if (length == 0 || length % step != 0) refuse("stores " + bytes(length) + ", not whole words");
  if (at.local + length > at.end || at.proxy.destination % step != 0)
    refuse("stores " + bytes(length) + " that are not inside the bound pages");
  flow.at = at;
  flow.from = from;
  flow.remaining = length;
  flow.step = step;
  begin_store(flow);
}

void Process::begin_store(Flow& flow) {
  SimulatedOperation& operation =
      new_operation(flow, OperationKind::kAutomaticUpdate, flow.at.proxy, flow.step);
  operation.combining = flow.at.options.combining;
  operation.notify = flow.at.options.notify;
  std::memcpy(&operation.word, flow.from, flow.step);
  std::memmove(flow.at.local, flow.from, flow.step);
  flow.at = flow.at + flow.step;
  flow.from += flow.step;
  flow.remaining -= flow.step;
  flow.awaits = Awaits::kInitiated;
  stored_ = true;
  begin(operation);
}

void Process::begin_flush(Flow& flow) {
  SimulatedOperation& operation = new_operation(flow, OperationKind::kFlush, {}, 0);
  flow.awaits = Awaits::kInitiated;
  stored_ = false;
  begin(operation);
}

// ------------------------------------------------------------------------------ remote access

void Process::begin_fetch(Flow& flow, void* destination, Proxy source, std::uint64_t length) {
  check_destination(source, length, "fetches");
  SimulatedOperation& operation = new_operation(flow, OperationKind::kFetch, source, length);
  operation.result = static_cast<std::byte*>(destination);
  flow.awaits = Awaits::kAnswer;
  begin(operation);
}

void Process::begin_fetch_add(Flow& flow, Proxy word, std::uint64_t addend, std::uint32_t width) {
  if (word.destination % width != 0) refuse("adds to a word that is not aligned");
  check_destination(word, width, "adds to");
  SimulatedOperation& operation = new_operation(flow, OperationKind::kAtomic, word, width);
  operation.word = addend;
  flow.awaits = Awaits::kAnswer;
  begin(operation);
}

// --------------------------------------------------------------------------- waiting, working

void Process::begin_wait(Flow& flow, const std::byte* word, std::uint32_t width,
                         Comparison comparison, std::uint64_t value) {
  if (reinterpret_cast<std::uintptr_t>(word) % width != 0)
    refuse("waits for a word that is not aligned");
  flow.word = word;
  flow.width = width;
  flow.comparison = comparison;
  flow.value = value;
  flow.seen = false;
  if (!holds(flow)) flow.awaits = Awaits::kWord;
}

bool Process::holds(const Flow& flow) {
  std::uint64_t found = 0;
  std::memcpy(&found, flow.word, flow.width);
  switch (flow.comparison) {
    case Comparison::kEqual:
      return found == flow.value;
    case Comparison::kNotEqual:
      return found != flow.value;
    case Comparison::kAtLeast:
      return found >= flow.value;
  }
  return false;
}

void Process::begin_compute(Flow& flow, double ns) {
  if (!(ns >= 0)) refuse("computes for " + std::to_string(ns) + " ns");
  work(flow, from_ns(ns));
}

void Process::work(Flow& flow, parts::Time time) {
  if (time == 0) return;
  flow.awaits = Awaits::kWork;
  wake_later(flow, time);
}

parts::Time Process::copy_time(std::uint64_t length) const {
  return parts::time_of_bytes(length, machine_.model_.processor.copy_mb_per_s);
}

}  // namespace vmmc::nicsim::sim
