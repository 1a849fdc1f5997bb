// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/processor.h"

#include <algorithm>

#include "nicsim/parts/initiation/cost.h"

namespace vmmc::nicsim::parts {
namespace {

Operation& operation_of(std::uint64_t argument) { return *reinterpret_cast<Operation*>(argument); }
std::uint64_t argument_of(Operation& operation) {
  return reinterpret_cast<std::uintptr_t>(&operation);
}

const initiation::MechanismInfo& mechanism_of(const model::TimingModel& model) {
  return initiation::info_of(initiation::from_parameter(model.deliberate_update_engine.initiation));
}

}  // namespace

Processor::Processor(EventQueue& queue, const model::TimingModel& model, SnoopLogic& snoop,
                     OutgoingFifo& fifo, DeliberateUpdateEngine& engine, Port& port)
    : queue_(queue),
      snoop_(snoop),
      fifo_(fifo),
      engine_(engine),
      port_(port),
      has_snoop_logic_(model.snoop_logic.present != 0),
      max_transfer_(static_cast<std::uint64_t>(model.deliberate_update_engine.max_transfer_bytes)),
      store_(from_ns(model.processor.store_ns)),
      send_(from_ns(model.library.send_ns)),
      fetch_(from_ns(model.library.fetch_ns)),
      system_calls_of_operation_(mechanism_of(model).system_calls),
      references_(from_ns(initiation::references_ns(mechanism_of(model), model))),
      system_calls_(from_ns(initiation::system_calls_ns(mechanism_of(model), model))),
      fifo_interrupt_(from_ns(model.outgoing_fifo.interrupt_ns)) {}

void Processor::begin(Operation& operation) {
  ++counters_.operations;
  if (operation.kind == OperationKind::kFlush) {
    queue_.after<&Processor::flushed>(store_, *this, argument_of(operation));
  } else if (operation.kind == OperationKind::kAutomaticUpdate && has_snoop_logic_) {
    want_store(operation);
  } else {
    counters_.system_calls += system_calls_of_operation_;
    queue_.after<&Processor::refer>((is_update(operation) ? send_ : fetch_) + system_calls_, *this,
                                    argument_of(operation));
  }
}

std::uint32_t Processor::next_store(const Operation& operation) const {
  if (operation.length <= kMaxStoreBytes) return static_cast<std::uint32_t>(operation.length);
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(operation.length - operation.bytes_handed, wire::kWordSize));
}

// False if it must wait.
bool Processor::make_store(Operation& operation) {
  if (fifo_.stopped() || queue_.now() < stores_go_on_) return false;
  if (!fifo_.reserve(next_store(operation))) return false;
  queue_.after<&Processor::stored>(store_, *this, argument_of(operation));
  return true;
}

void Processor::want_store(Operation& operation) {
  if (stores_.empty() && make_store(operation)) return;
  ++counters_.store_waits;
  stores_.push_back({&operation, queue_.now()});
  // The bytes that take all the room may be in the open packet, which no other store would close.
  if (stores_.size() == 1) snoop_.see({Snooped::Kind::kFlush, nullptr});
}

void Processor::make_waiting_stores(std::uint64_t) {
  while (!stores_.empty() && make_store(*stores_.front().operation)) {
    counters_.store_wait_ps += queue_.now() - stores_.front().since;
    stores_.pop_front();
  }
}

void Processor::fifo_resumed() {
  stores_go_on_ = sum(queue_.now(), fifo_interrupt_);
  queue_.at<&Processor::make_waiting_stores>(stores_go_on_, *this);
}

void Processor::stored(std::uint64_t argument) {
  Operation& operation = operation_of(argument);
  ++counters_.stores;
  Snooped store{Snooped::Kind::kStore, &operation, operation.bytes_handed, next_store(operation)};
  if (operation.carries_bytes) {
    port_.read_store(operation, store.offset, std::span(store.bytes).first(store.length));
  }
  operation.bytes_handed += store.length;
  snoop_.see(store);
  if (!stores_.empty()) snoop_.see({Snooped::Kind::kFlush, nullptr});
  if (operation.bytes_handed == operation.length) {
    port_.handed_over(operation);
  } else {
    want_store(operation);
  }
}

void Processor::flushed(std::uint64_t argument) {
  Operation& operation = operation_of(argument);
  snoop_.see({Snooped::Kind::kFlush, &operation});
  port_.handed_over(operation);
}

std::uint32_t Processor::next_transfer(const Operation& operation) const {
  const std::uint64_t in_page = (operation.destination + operation.bytes_handed) % wire::kPageSize;
  return static_cast<std::uint32_t>(
      std::min({operation.length - operation.bytes_handed, wire::kPageSize - in_page,
                operation.kind == OperationKind::kAtomic ? operation.length : max_transfer_}));
}

void Processor::refer(std::uint64_t argument) {
  queue_.after<&Processor::referred>(references_, *this, argument);
}

void Processor::referred(std::uint64_t argument) {
  Operation& operation = operation_of(argument);
  if (initiations_.empty() && initiate(operation)) return;
  ++counters_.initiation_waits;
  initiations_.push_back({&operation, queue_.now()});
}

bool Processor::initiate(Operation& operation) {
  Purpose purpose = Purpose::kUpdate;
  if (operation.kind == OperationKind::kFetch) purpose = Purpose::kFetchRequest;
  if (operation.kind == OperationKind::kAtomic) purpose = Purpose::kAtomicRequest;
  const std::uint32_t length = next_transfer(operation);
  if (!engine_.initiate({purpose, &operation, operation.bytes_handed, length, {}}).initiated) {
    return false;
  }
  operation.bytes_handed += length;
  if (operation.bytes_handed == operation.length) {
    port_.handed_over(operation);
  } else {
    refer(argument_of(operation));
  }
  return true;
}

void Processor::engine_has_place() {
  if (initiations_.empty() || referring_again_ || !engine_.has_place()) return;
  referring_again_ = true;
  queue_.after<&Processor::referred_again>(references_, *this);
}

// Only here a place is taken while somebody waits: the engine still has it.
void Processor::referred_again(std::uint64_t) {
  const Waiting first = initiations_.front();
  initiations_.pop_front();
  referring_again_ = false;
  counters_.initiation_wait_ps += queue_.now() - first.since;
  initiate(*first.operation);
  engine_has_place();
}

}  // namespace vmmc::nicsim::parts
