// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/node.h"

namespace vmmc::nicsim::parts {
Node::Node(EventQueue& queue, const model::TimingModel& model, std::uint32_t number,
           const nicsim::Backplane& tables, BackplanePort& backplane, PacketPool& pool,
           HardwareClient& client, Probes probes)
    : queue_(queue),
      number_(number),
      backplane_(backplane),
      pool_(pool),
      client_(client),
      interrupt_(from_ns(model.processor.interrupt_ns)),
      signal_(from_ns(model.processor.signal_ns)),
      fifo_interrupt_(from_ns(model.outgoing_fifo.interrupt_ns)),
      has_snoop_logic_(model.snoop_logic.present != 0),
      interrupt_each_arrival_(model.incoming_page_table.interrupt_each_arrival != 0),
      probes_(probes),
      bus_(queue, model.input_output_bus),
      snoop_(queue, model.snoop_logic, *this),
      packetizer_(queue, model.packetizer, model.outgoing_page_table, order_, pool, *this),
      fifo_(queue, model.outgoing_fifo, *this),
      engine_reader_(queue, model, bus_, pool, *this, probes),
      replies_(queue, model, bus_, pool, *this, probes),
      engine_(model.deliberate_update_engine, engine_reader_),
      incoming_(queue, model, tables, bus_, *this, probes),
      chip_(queue, model, backplane, order_, incoming_, fifo_, engine_reader_, replies_, *this,
            probes),
      processor_(queue, model, snoop_, fifo_, engine_, *this),
      tables_(tables) {}

void Node::begin(Operation& operation) {
  operation.order = kNever;
  operation.bytes_handed = operation.bytes_begun = operation.packets_out = 0;
  operation.packets_made = 0;
  operation.refused = false;
  operation.next = nullptr;
  if (operation.kind == OperationKind::kFlush) return processor_.begin(operation);
  const OutgoingPage* const page =
      operation.destinations->find(operation.destination / wire::kPageSize);
  if (page == nullptr) {
    return queue_.after<&Node::refuse>(0, *this, reinterpret_cast<std::uintptr_t>(&operation));
  }
  operation.remote_node = page->node;
  if (operation.kind != OperationKind::kAutomaticUpdate || !has_snoop_logic_) {
    // Behind the process's stores that are still on their way to the packetizer.
    if (snoop_.empty()) {
      operation.order = order_.enter(DepartureOrder::stream_of(operation));
    } else {
      snoop_.see({Snooped::Kind::kOrder, &operation});
    }
  }
  processor_.begin(operation);
}

// Its destination has no entry in the outgoing page table.
void Node::refuse(std::uint64_t argument) {
  Operation& operation = *reinterpret_cast<Operation*>(argument);
  ++arrivals_.refused;
  if (is_update(operation)) client_.source_free(operation);
  client_.initiated(operation);
  client_.delivered(operation, false);
}

void Node::snooped(const Snooped& seen) {
  switch (seen.kind) {
    case Snooped::Kind::kStore:
      if (probes_.trace_is_on()) {
        probes_.tracer->happened({.event = wire::TraceEvent::kStoreSnooped,
                                  .engine = wire::TraceEngine::kSnoopLogic,
                                  .node = number_,
                                  .operation = seen.operation,
                                  .offset = seen.offset,
                                  .length = seen.length});
      }
      packetizer_.store(seen);
      break;
    case Snooped::Kind::kFlush:
      packetizer_.flush();
      if (seen.operation != nullptr) client_.delivered(*seen.operation, true);
      break;
    case Snooped::Kind::kOrder:
      seen.operation->order = order_.enter(DepartureOrder::stream_of(*seen.operation));
      chip_.look();
      break;
  }
}

void Node::packetized(NetworkPacket& packet) {
  packet.number = packet.operation->packets_made++;
  const bool traced = probes_.trace_is_on();
  if (traced) trace_made(probes_, packet);
  fifo_.enter(packet);
  if (!traced) return;
  probes_.tracer->happened({.event = wire::TraceEvent::kFifoEntered,
                            .engine = wire::TraceEngine::kOutgoingFifo,
                            .node = number_,
                            .packet = &packet,
                            .value = fifo_.filled()});
}

void Node::note_interrupt(Time cost, const Operation* operation) {
  if (!probes_.trace_is_on()) return;
  probes_.tracer->happened({.event = wire::TraceEvent::kInterrupt,
                            .engine = wire::TraceEngine::kProcessor,
                            .node = number_,
                            .operation = operation,
                            .length = operation == nullptr ? 0 : operation->length,
                            .value = cost});
}

void Node::fifo_threshold() {
  note_interrupt(fifo_interrupt_);
  client_.interrupted(number_, fifo_interrupt_);
}

void Node::handed_over(Operation& operation) {
  if (operation.kind == OperationKind::kAutomaticUpdate && has_snoop_logic_) {
    client_.source_free(operation);
  }
  client_.initiated(operation);
}

void Node::read(SourceReader&, NetworkPacket& packet) {
  Operation& operation = *packet.operation;
  if (probes_.trace_is_on() &&
      (packet.purpose == Purpose::kUpdate || packet.purpose == Purpose::kFetchData)) {
    probes_.tracer->happened({.event = wire::TraceEvent::kSourceRead,
                              .engine = wire::TraceEngine::kDeliberateUpdateEngine,
                              .node = number_,
                              .packet = &packet,
                              .since = packet.since});
  }
  if (packet.purpose == Purpose::kUpdate) engine_.packet_read(packet.payload);
  if (packet.purpose == Purpose::kFetchData && tables_.deliver(packet.packet).address == nullptr) {
    packet.purpose = Purpose::kRefusal;  // disabled since the request came
    packet.payload = kControlPayloadBytes;
  }
  if (!operation.carries_bytes) return;
  if (packet.purpose == Purpose::kFetchData) {
    packet.content.resize(packet.payload);
    client_.read_remote(operation, packet.packet, packet.content);
  } else if (packet.purpose == Purpose::kUpdate) {
    packet.content.resize(packet.payload);
    client_.read_source(operation, packet.offset, packet.content);
  }
}

void Node::job_read(SourceReader& reader, const SourceReader::Job& job) {
  if (&reader != &engine_reader_) return;
  if (job.purpose == Purpose::kUpdate && job.offset + job.length == job.operation->length) {
    client_.source_free(*job.operation);
  }
  engine_.transfer_read();
  processor_.engine_has_place();
}

void Node::lost(NetworkPacket& packet) {
  packet.refused = true;
  if (packet.purpose == Purpose::kUpdate) {
    end_of_packet(packet);
  } else {
    packet.purpose = Purpose::kRefusal;
    reply_landed(packet);
  }
}

void Node::landed(NetworkPacket& packet) {
  switch (packet.purpose) {
    case Purpose::kUpdate:
      return update_landed(packet);
    case Purpose::kFetchRequest:
    case Purpose::kAtomicRequest:
      return request_landed(packet);
    case Purpose::kFetchData:
    case Purpose::kAtomicReply:
    case Purpose::kRefusal:
      return reply_landed(packet);
  }
}

void Node::update_landed(NetworkPacket& packet) {
  if (packet.struck != NetworkPacket::Struck::kNot) {
    client_.struck(*packet.operation, packet.packet,
                   packet.struck == NetworkPacket::Struck::kCorrupted);
  } else if (!packet.refused && packet.operation->carries_bytes) {
    client_.land(*packet.operation, packet.packet, packet.content);
  }
  end_of_packet(packet);
}

void Node::request_landed(NetworkPacket& packet) {
  Operation& operation = *packet.operation;
  SourceReader::Job answer{.purpose = Purpose::kFetchData,
                           .operation = &operation,
                           .offset = packet.offset,
                           .length = packet.packet.length,
                           .remote = packet.packet};
  if (packet.purpose == Purpose::kAtomicRequest) answer.purpose = Purpose::kAtomicReply;
  if (packet.refused) {
    answer.purpose = Purpose::kRefusal;
  } else if (packet.purpose == Purpose::kAtomicRequest && operation.carries_bytes) {
    client_.change_remote(operation, packet.packet);
  }
  pool_.give_back(packet);
  replies_.add(answer);
}

// To this node, which had sent the request.
void Node::reply_landed(NetworkPacket& packet) {
  Operation& operation = *packet.operation;
  if (packet.purpose == Purpose::kFetchData && operation.carries_bytes) {
    client_.land_local(operation, packet.offset, packet.content);
  }
  const bool last = packet.last;
  operation.refused |= packet.purpose == Purpose::kRefusal;
  pool_.give_back(packet);
  if (!last) return;
  --operation.packets_out;
  if (operation.packets_out != 0 || operation.bytes_begun != operation.length) return;
  order_.left(DepartureOrder::stream_of(operation), operation.order);
  if (operation.refused) ++arrivals_.refused;
  client_.delivered(operation, !operation.refused);
  chip_.look();
}

void Node::end_of_packet(NetworkPacket& packet) {
  List<Operation> earlier = packet.earlier;
  Operation& last = *packet.operation;
  const Part part{packet.packet, packet.refused, packet.struck != NetworkPacket::Struck::kNot};
  // A store is no message: nobody was sent anything. What is sent instead of one is.
  const bool message = last.kind == OperationKind::kDeliberateUpdate || !has_snoop_logic_;
  pool_.give_back(packet);
  bool ended = false;
  bool notified = false;
  const auto add = [&](Operation& operation) {
    const End end = end_of_part(operation, part);
    ended |= end.ended;
    notified |= end.notified;
  };
  while (!earlier.empty()) add(earlier.pop());
  add(last);
  if (message && ended && !notified && !part.struck && interrupt_each_arrival_) {
    ++arrivals_.arrival_interrupts;
    note_interrupt(interrupt_);
    client_.interrupted(number_, interrupt_);
  }
}

// A packet with bytes of this update has ended.
Node::End Node::end_of_part(Operation& operation, const Part& part) {
  operation.refused |= part.refused;
  --operation.packets_out;
  if (operation.packets_out != 0 || operation.bytes_begun != operation.length) return {};
  const bool accepted = !operation.refused;
  ++(accepted ? arrivals_.delivered : arrivals_.refused);
  const bool notified =
      accepted && operation.notify && !part.struck && notify(operation, part.place);
  client_.delivered(operation, accepted);
  return {accepted, notified};
}

// `place`: of the operation's last packet, whose page says whether it may interrupt.
bool Node::notify(Operation& operation, const Packet& place) {
  const bool allowed = tables_.deliver(place).interrupts;
  if (!allowed) client_.notification_refused(operation);
  const std::uint64_t token = allowed ? client_.notification_token(operation) : 0;
  ++(token != 0 ? arrivals_.notifications : arrivals_.not_notified);
  if (token != 0) {
    note_interrupt(sum(interrupt_, signal_), &operation);
    queue_.after<&Node::notified>(sum(interrupt_, signal_), *this, token);
  }
  return token != 0;
}

Hardware::Counters Node::counters() const {
  const LookupCounters& stores = packetizer_.lookups();
  const LookupCounters& transfers = engine_reader_.lookups();
  return {.processor = processor_.counters(),
          .snoop_logic = snoop_.counters(),
          .outgoing_page_table = {stores.lookups + transfers.lookups,
                                  stores.no_entry + transfers.no_entry},
          .packetizer = packetizer_.counters(),
          .outgoing_fifo = fifo_.counters(),
          .deliberate_update_engine = engine_.counters(),
          .engine_reader = engine_reader_.counters(),
          .replies = replies_.counters(),
          .arbiter = chip_.arbiter_counters(),
          .format_and_send = chip_.send_counters(),
          .incoming_dma_engine = incoming_.counters(),
          .incoming_page_table = incoming_.lookups(),
          .input_output_bus = bus_.counters(),
          .arrivals = arrivals_};
}

}  // namespace vmmc::nicsim::parts
